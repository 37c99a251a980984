//! Times that no option sets: constants in production, shorter in tests that wait for them.

use std::time::Duration;

/// The times that the server and the check keep to.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a page load waits for a t3 that is not up before the person is told so.
    pub page_patience: Duration,

    /// How long an upgrade waits for a t3 that is not up: an open cockpit tries only a few times,
    /// and ever more rarely (contract §9).
    pub upgrade_patience: Duration,

    /// How long a person waits for a pairing at most: the proxy in front gives up after 30 s.
    pub pairing_patience: Duration,

    /// How long a browser is left unpaired after its pairing failed: t3's pairing screen asks for
    /// its session over and over.
    pub pairing_pause: Duration,

    /// How long a session that t3 called alive is taken to be.
    pub session_alive: Duration,

    /// How long one run of the t3 CLI, with its repetitions, may take. It needs about 2 s
    /// (contract §1).
    pub cli_run: Duration,

    /// How long t3's API may take for a response to the dispatcher itself. It needs 6 to 22 ms
    /// (contract §4).
    pub api_response: Duration,

    /// How often t3 is asked whether the dispatcher's own session is alive, while nothing tells that
    /// t3 was gone: a restart is noticed only by what was open or asked meanwhile.
    pub admin_session_check: Duration,

    /// How old what a t3's agents do may be where it is only told.
    pub agent_turns: Duration,

    /// How long a command that starts or stops a t3 may take.
    pub power_command: Duration,

    /// The least time before a t3 that is down is started again, after a command that failed.
    pub wake_retry: Duration,

    /// The same after one that succeeded, if t3 has not come up.
    pub wake_again: Duration,

    /// How long a file that is read again is taken to be what it was.
    pub file_reread: Duration,

    /// How often the table of people is looked at: a change of it counts within 5 s.
    pub routes_reread: Duration,

    /// How long a published key set is taken to be what it was, while requests come.
    pub jwks_age: Duration,

    /// The least time between two fetches of a key set, whatever keys tokens name.
    pub jwks_pause: Duration,

    /// The same, while there is no key at all and nobody is let in.
    pub jwks_retry: Duration,

    /// How long one fetch of a key set may take.
    pub jwks_fetch: Duration,

    /// After how long a silence a peer is asked whether it is still there. What it has not acknowledged is
    /// waited for as long, or as long as an option says that it may read nothing.
    pub silent_peer: Duration,

    /// How long one direction of a tunnel may stay open, with nothing moving, after the other has
    /// ended.
    pub half_closed_tunnel: Duration,

    /// How long one scrape of the metrics may take, from its connection to the end of its response.
    pub scrape: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            page_patience: Duration::from_secs(20),
            upgrade_patience: Duration::from_secs(10),
            pairing_patience: Duration::from_secs(25),
            pairing_pause: Duration::from_secs(5),
            session_alive: Duration::from_secs(30),
            cli_run: Duration::from_secs(15),
            api_response: Duration::from_secs(5),
            admin_session_check: Duration::from_secs(60),
            agent_turns: Duration::from_secs(15),
            power_command: Duration::from_secs(60),
            wake_retry: Duration::from_secs(10),
            wake_again: Duration::from_secs(30),
            file_reread: Duration::from_secs(1),
            routes_reread: Duration::from_secs(3),
            jwks_age: Duration::from_secs(300),
            jwks_pause: Duration::from_secs(60),
            jwks_retry: Duration::from_secs(10),
            jwks_fetch: Duration::from_secs(5),
            silent_peer: Duration::from_secs(60),
            half_closed_tunnel: Duration::from_secs(30),
            scrape: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_keeps_its_times() {
        let Timing {
            page_patience,
            upgrade_patience,
            pairing_patience,
            pairing_pause,
            session_alive,
            cli_run,
            api_response,
            admin_session_check,
            agent_turns,
            power_command,
            wake_retry,
            wake_again,
            file_reread,
            routes_reread,
            jwks_age,
            jwks_pause,
            jwks_retry,
            jwks_fetch,
            silent_peer,
            half_closed_tunnel,
            scrape,
        } = Timing::default();
        for (time, seconds) in [
            (page_patience, 20),
            (upgrade_patience, 10),
            (pairing_patience, 25),
            (pairing_pause, 5),
            (session_alive, 30),
            (cli_run, 15),
            (api_response, 5),
            (admin_session_check, 60),
            (agent_turns, 15),
            (power_command, 60),
            (wake_retry, 10),
            (wake_again, 30),
            (file_reread, 1),
            (routes_reread, 3),
            (jwks_age, 300),
            (jwks_pause, 60),
            (jwks_retry, 10),
            (jwks_fetch, 5),
            (silent_peer, 60),
            (half_closed_tunnel, 30),
            (scrape, 10),
        ] {
            assert_eq!(time, Duration::from_secs(seconds));
        }
    }
}
