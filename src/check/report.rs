//! The report of a check: a table for people, JSON for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// The steps of a check, in their order.
#[derive(Debug, Default)]
pub struct CheckReport(Vec<CheckStep>);

#[derive(Debug)]
struct CheckStep {
    name: &'static str,
    outcome: StepOutcome,
    took: Duration,
}

#[derive(Debug)]
enum StepOutcome {
    /// It succeeded, and found this.
    Well(String),
    /// It failed.
    Failed(Finding),
    /// It was not made, for this reason.
    Skipped(&'static str),
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// What is wrong.
    pub(super) what: String,
    /// What helps.
    pub(super) advice: String,
}

impl CheckReport {
    /// Adds a step that was made.
    pub(super) fn add(
        &mut self,
        name: &'static str,
        found: Result<String, Finding>,
        took: Duration,
    ) {
        let outcome = match found {
            Ok(what) => StepOutcome::Well(what),
            Err(finding) => StepOutcome::Failed(finding),
        };
        self.0.push(CheckStep {
            name,
            outcome,
            took,
        });
    }

    /// Adds a step that was not made.
    pub(super) fn skip(&mut self, name: &'static str, why: &'static str) {
        self.0.push(CheckStep {
            name,
            outcome: StepOutcome::Skipped(why),
            took: Duration::ZERO,
        });
    }

    /// Adds the steps of `further`.
    pub(super) fn append(&mut self, mut further: Self) {
        self.0.append(&mut further.0);
    }

    /// The first step that failed, and what was wrong.
    pub(super) fn first_failed(&self) -> Option<String> {
        let failed = |step: &CheckStep| match &step.outcome {
            StepOutcome::Failed(found) => Some(format!("{}: {}", step.name, found.what)),
            _ => None,
        };
        self.0.iter().find_map(failed)
    }

    /// The steps that failed, as in [`Self::json`].
    pub(super) fn failed_json(&self) -> Vec<Value> {
        let failed = |step: &&CheckStep| matches!(step.outcome, StepOutcome::Failed(_));
        self.0.iter().filter(failed).map(CheckStep::json).collect()
    }

    /// Has no step failed?
    pub fn is_well(&self) -> bool {
        let failed = |step: &CheckStep| matches!(step.outcome, StepOutcome::Failed(_));
        !self.0.iter().any(failed)
    }

    /// One object: `well`, and the `steps`, each with `name`, `outcome` (`well`, `failed`,
    /// `skipped`), `ms`, `what`, and `advice` if it failed.
    pub fn json(&self) -> Value {
        let steps: Vec<_> = self.0.iter().map(CheckStep::json).collect();
        json!({ "well": self.is_well(), "steps": steps })
    }
}

impl CheckStep {
    fn json(&self) -> Value {
        let (outcome, what) = match &self.outcome {
            StepOutcome::Well(what) => ("well", what.as_str()),
            StepOutcome::Failed(finding) => ("failed", finding.what.as_str()),
            StepOutcome::Skipped(why) => ("skipped", *why),
        };
        let mut step = json!({
            "name": self.name,
            "outcome": outcome,
            "ms": self.took.as_millis() as u64,
            "what": what,
        });
        if let StepOutcome::Failed(finding) = &self.outcome {
            step["advice"] = finding.advice.as_str().into();
        }
        step
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            let ms = step.took.as_millis();
            let (sign, what) = match &step.outcome {
                StepOutcome::Well(what) => ("ok", what.as_str()),
                StepOutcome::Failed(finding) => ("FAILED", finding.what.as_str()),
                StepOutcome::Skipped(why) => ("-", *why),
            };
            let took = match step.outcome {
                StepOutcome::Skipped(_) => String::new(),
                _ => format!("{ms} ms"),
            };
            writeln!(formatter, "{sign:<7}{:<15}{took:>9}  {what}", step.name)?;
            if let StepOutcome::Failed(finding) = &step.outcome {
                writeln!(formatter, "{:<33}{}", "", finding.advice)?;
            }
        }
        match self.is_well() {
            true => writeln!(formatter, "all is well"),
            false => writeln!(formatter, "not all is well"),
        }
    }
}
