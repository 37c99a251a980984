//! The commands that start a t3 when its person comes and stop it when nobody uses it: one at a time for each t3.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::config::placeholders::{Names, Unfilled};
use crate::config::power_options::PowerConfig;
use crate::config::timing::Timing;
use crate::limited;
use crate::metrics::Metrics;
use crate::metrics::power::{PowerCommand, PowerOutcome};
use crate::process::operator_command::{self, CommandError};
use crate::state::quiet::Quiet;

/// How many commands of a kind run at a time, of all t3s. The others wait in order: one for each t3 at most.
const AT_A_TIME: usize = 4;

/// For how long after its start a t3 that is not up is said to be starting.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The commands of this process.
#[derive(Debug)]
pub struct PowerCommands {
    config: PowerConfig,
    timing: Timing,
    metrics: Arc<Metrics>,
    /// No start waits for a stop of another t3.
    starts: Arc<Semaphore>,
    stops: Arc<Semaphore>,
}

/// The commands of one t3.
#[derive(Debug)]
pub struct Power {
    wake: Vec<String>,
    /// None where it is never stopped.
    sleep: Option<Vec<String>>,
    pub(super) quiet: Mutex<Quiet>,
    commands: Arc<PowerCommands>,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    running: Option<PowerCommand>,
    started: Option<Start>,
}

/// A start that was tried.
#[derive(Debug, Clone, Copy)]
struct Start {
    ended: Instant,
    is_done: bool,
    /// How often t3 had come up by then.
    seen: u64,
}

impl PowerCommands {
    /// Those of `config`; none where nothing starts a t3.
    pub fn of(config: PowerConfig, timing: Timing, metrics: &Arc<Metrics>) -> Option<Arc<Self>> {
        config.wake()?;
        Some(Arc::new(Self {
            config,
            timing,
            metrics: Arc::clone(metrics),
            starts: Arc::new(Semaphore::new(AT_A_TIME)),
            stops: Arc::new(Semaphore::new(AT_A_TIME)),
        }))
    }

    /// How long nobody uses a t3 before it is stopped, if any is.
    pub fn sleep_after(&self) -> Option<Duration> {
        self.config.sleep().map(|sleep| sleep.after)
    }
}

impl Power {
    /// The `commands` for the t3 of the person of `names`, which is stopped here if it `may_sleep`. None where
    /// there are none, or a name is not fit for them, which is logged.
    pub fn of(
        commands: Option<&Arc<PowerCommands>>,
        names: Names<'_>,
        may_sleep: bool,
    ) -> Option<Self> {
        let commands = commands?;
        let sleep = commands.config.sleep().filter(|_| may_sleep);
        let filled = || -> Result<_, Unfilled> {
            let wake = commands.config.wake().map(|wake| wake.fill(names));
            let sleep = sleep.map(|sleep| sleep.command.fill(names));
            Ok((wake.transpose()?, sleep.transpose()?))
        };
        match filled() {
            Ok((wake, sleep)) => Some(Self {
                wake: wake?,
                sleep,
                quiet: Mutex::default(),
                commands: Arc::clone(commands),
                state: watch::Sender::default(),
            }),
            Err(cause) => {
                let user = names.user;
                limited!(WARN, "a person's t3 is neither started nor stopped by a command"; user, %cause);
                None
            }
        }
    }

    /// Is it ever stopped?
    pub(super) fn may_sleep(&self) -> bool {
        self.sleep.is_some()
    }

    /// Is t3 being started, or was it a moment ago?
    pub fn is_starting(&self) -> bool {
        let State { running, started } = *self.state.borrow();
        let was_started = |start: Start| start.is_done && start.ended.elapsed() < STARTS_WITHIN;
        running == Some(PowerCommand::Wake) || started.is_some_and(was_started)
    }

    /// Waits for the right to start a t3, in its turn.
    pub(super) async fn turn_to_start(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.commands.starts).acquire_owned().await.ok()
    }

    /// Begins a start, if one may begin: not beside another command, nor soon after another start unless t3,
    /// which has come up so often as `seen` says, has come up since.
    pub(super) fn begin_start(&self, seen: u64) -> bool {
        let Timing {
            wake_again,
            wake_retry,
            ..
        } = self.commands.timing;
        self.state.send_if_modified(|state| {
            let is_soon = state.started.is_some_and(|start| {
                let pause = if start.is_done {
                    wake_again
                } else {
                    wake_retry
                };
                start.seen == seen && start.ended.elapsed() < pause
            });
            let begins = state.running.is_none() && !is_soon;
            if begins {
                state.running = Some(PowerCommand::Wake);
            }
            begins
        })
    }

    /// Begins a stop, if no command runs and `is_idle` then.
    pub(super) fn begin_stop(&self, is_idle: impl FnOnce() -> bool) -> bool {
        self.state.send_if_modified(|state| {
            let begins = state.running.is_none() && is_idle();
            if begins {
                state.running = Some(PowerCommand::Sleep);
            }
            begins
        })
    }

    /// The start that was begun has ended: well, if it `is_done`, or without a command.
    pub(super) fn start_ended(&self, is_done: Option<bool>, seen: u64) {
        let ended = Instant::now();
        let start = |is_done| Start {
            ended,
            is_done,
            seen,
        };
        self.state.send_replace(State {
            running: None,
            started: is_done.map(start),
        });
    }

    /// The stop that was begun has ended: t3 may be started again at once.
    pub(super) fn stop_ended(&self) {
        self.state.send_replace(State::default());
    }

    /// Waits while t3 is being stopped, until `deadline`.
    pub(super) async fn wait_while_stopping(&self, deadline: Instant) {
        let is_other = |state: &State| state.running != Some(PowerCommand::Sleep);
        let mut state = self.state.subscribe();
        let _ = timeout_at(deadline, state.wait_for(is_other)).await;
    }

    /// Waits for the right to stop a t3, in its turn.
    pub(super) async fn turn_to_stop(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.commands.stops).acquire_owned().await.ok()
    }

    /// Runs `command` for the t3 at `address`, which is logged and counted; true if it succeeds.
    pub(super) async fn run(
        &self,
        command: PowerCommand,
        turn: OwnedSemaphorePermit,
        address: &str,
    ) -> bool {
        let words = match command {
            PowerCommand::Wake => &self.wake[..],
            PowerCommand::Sleep => self.sleep.as_deref().unwrap_or_default(),
        };
        let (begun, limit) = (Instant::now(), self.commands.timing.power_command);
        let ended = operator_command::run(words, limit, turn).await;
        let outcome = match &ended {
            Ok(()) => PowerOutcome::Ok,
            Err(CommandError::Failed(..)) => PowerOutcome::Failed,
            Err(CommandError::Timeout) => PowerOutcome::Timeout,
            Err(CommandError::Spawn(_)) => PowerOutcome::Missing,
        };
        self.commands.metrics.power_command(command, outcome);
        let (command, ms) = (command.text(), begun.elapsed().as_millis() as u64);
        match ended {
            Ok(()) => {
                limited!(INFO, "a t3 was started or stopped by its command"; command, t3 = address, ms);
                true
            }
            Err(error) => {
                limited!(WARN, "the command that starts or stops a t3 failed"; command, t3 = address, ms, %error);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;

    const BOB: Names<'_> = Names {
        user: "bob",
        os_user: Some("bob"),
    };

    fn power(names: Names<'_>) -> Option<Power> {
        let args = "t3-dispatcher|--wake-command|start {os_user}|--sleep-command|stop {user}|--sleep-after|1h";
        let config = Config::try_parse_from(args.split('|')).expect("options");
        let commands = PowerCommands::of(config.power, config.timing, &Arc::default());
        Power::of(commands.as_ref(), names, true)
    }

    #[test]
    fn a_name_that_is_not_fit_has_no_commands() {
        let own = power(BOB).expect("bob's");
        assert_eq!(
            (&own.wake[..], own.sleep.as_deref()),
            (
                &["start".to_owned(), "bob".to_owned()][..],
                Some(&["stop".to_owned(), "bob".to_owned()][..]),
            )
        );
        for (user, os_user) in [
            ("Bob", Some("bob")),
            ("bob", None),
            ("bob", Some("-n")),
            ("a b", Some("bob")),
        ] {
            assert!(
                power(Names { user, os_user }).is_none(),
                "{user} {os_user:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_command_runs_at_a_time_and_a_start_is_not_repeated_soon() {
        let power = power(BOB).expect("bob's");
        assert!(power.begin_start(1) && !power.begin_start(1));
        assert!(!power.begin_stop(|| true), "a start runs");
        assert!(power.is_starting());
        for (is_done, pause) in [(false, 10), (true, 30)] {
            power.start_ended(Some(is_done), 1);
            assert_eq!(power.is_starting(), is_done);
            tokio::time::advance(Duration::from_secs(pause - 1)).await;
            assert!(!power.begin_start(1), "{pause} s have not passed");
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(power.begin_start(1));
        }
        power.start_ended(Some(true), 1);
        assert!(power.begin_start(2), "it has come up since");
        power.start_ended(Some(true), 2);
        assert!(!power.begin_stop(|| false) && power.begin_stop(|| true));
        assert!(
            !power.begin_start(2) && !power.begin_stop(|| true),
            "a stop runs"
        );
        power.stop_ended();
        assert!(power.begin_start(2), "at once after it");
    }
}
