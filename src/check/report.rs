//! What a check found: a table for people, JSON for programs, and whether all is well.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// What a check found.
#[derive(Debug, Default)]
pub struct Report(Vec<Step>);

/// One step of it.
#[derive(Debug)]
struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// What came of a step.
#[derive(Debug)]
enum Outcome {
    /// What is so.
    Well(String),
    /// What is wrong, and what helps.
    Failed(Finding),
    /// Why it could not be taken.
    Skipped(&'static str),
}

/// What is wrong, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: String,
    pub(super) cure: String,
}

impl Report {
    /// Adds a step that was taken.
    pub(super) fn taken(
        &mut self,
        name: &'static str,
        found: Result<String, Finding>,
        took: Duration,
    ) {
        let outcome = match found {
            Ok(what) => Outcome::Well(what),
            Err(finding) => Outcome::Failed(finding),
        };
        self.0.push(Step {
            name,
            outcome,
            took,
        });
    }

    /// Adds a step that could not be taken.
    pub(super) fn skipped(&mut self, name: &'static str, why: &'static str) {
        self.0.push(Step {
            name,
            outcome: Outcome::Skipped(why),
            took: Duration::ZERO,
        });
    }

    /// Has no step failed?
    pub fn is_well(&self) -> bool {
        let failed = |step: &Step| matches!(step.outcome, Outcome::Failed(_));
        !self.0.iter().any(failed)
    }

    /// One object: `well`, and the `steps`, each with `name`, `outcome` (`well`, `failed`,
    /// `skipped`), `ms`, `what`, and `cure` where it failed.
    pub fn json(&self) -> Value {
        let steps: Vec<_> = self.0.iter().map(Step::json).collect();
        json!({ "well": self.is_well(), "steps": steps })
    }
}

impl Step {
    fn json(&self) -> Value {
        let (outcome, what) = match &self.outcome {
            Outcome::Well(what) => ("well", what.as_str()),
            Outcome::Failed(finding) => ("failed", finding.what.as_str()),
            Outcome::Skipped(why) => ("skipped", *why),
        };
        let mut step = json!({
            "name": self.name,
            "outcome": outcome,
            "ms": self.took.as_millis() as u64,
            "what": what,
        });
        if let Outcome::Failed(finding) = &self.outcome {
            step["cure"] = finding.cure.as_str().into();
        }
        step
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            let ms = step.took.as_millis();
            let (sign, what) = match &step.outcome {
                Outcome::Well(what) => ("ok", what.as_str()),
                Outcome::Failed(finding) => ("FAILED", finding.what.as_str()),
                Outcome::Skipped(why) => ("-", *why),
            };
            let took = match step.outcome {
                Outcome::Skipped(_) => String::new(),
                _ => format!("{ms} ms"),
            };
            writeln!(formatter, "{sign:<7}{:<15}{took:>9}  {what}", step.name)?;
            if let Outcome::Failed(finding) = &step.outcome {
                writeln!(formatter, "{:<33}{}", "", finding.cure)?;
            }
        }
        match self.is_well() {
            true => writeln!(formatter, "all is well"),
            false => writeln!(formatter, "not all is well"),
        }
    }
}
