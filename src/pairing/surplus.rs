//! Browsers' sessions beyond those that one person needs: the oldest are revoked, in the background.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::access::session_label::SessionLabel;
use crate::limited;
use crate::pairing::Pairing;
use crate::pairing::admin_api::AdminApiError;
use crate::pairing::client_list::ClientSession;
use crate::pairing::offboarding::{TURNS, in_time};

/// How many sessions of browsers that are not connected one person keeps. Who sends no cookie gets a new one each
/// time, which lives for 30 days (contract §2), and a list of t3 that is too long to be read would keep everybody's
/// sessions from being revoked (`admin_api::CLIENTS_LIMIT_BYTES`).
const MAX_OF_PERSON: usize = 50;

/// After how many new sessions t3's list is looked at.
const NEW_SESSIONS: usize = 25;

/// Counts the sessions that were made.
#[derive(Debug, Default)]
pub(super) struct Surplus(AtomicUsize);

impl Surplus {
    /// One more session was made. Is it time to look at the list?
    fn made(&self) -> bool {
        (self.0.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(NEW_SESSIONS)
    }
}

impl Pairing {
    /// Another session was made: what people have too many of is revoked where it is time for that.
    pub(super) fn bound_sessions(self: &Arc<Self>) {
        if !self.surplus.made() || self.admin_api.session().is_absent() {
            return;
        }
        let pairing = Arc::clone(self);
        self.tasks.until_drained(async move {
            // The semaphore is never closed.
            let _turn = TURNS.acquire().await;
            let mut sessions = 0;
            let revoked = in_time(pairing.revoke_surplus(&mut sessions)).await;
            if sessions > 0 {
                pairing.liveness.forget_all();
                limited!(INFO, "sessions of people with too many revoked"; sessions);
            }
            if let Err(error) = revoked {
                limited!(WARN, "sessions of people with too many are not revoked"; %error);
            }
        });
    }

    /// Revokes what is surplus, and counts it in `revoked`.
    async fn revoke_surplus(&self, revoked: &mut usize) -> Result<(), AdminApiError> {
        let sessions = self.admin_api.clients().await?;
        for id in surplus(&sessions) {
            *revoked += usize::from(self.admin_api.revoke(id).await?);
        }
        Ok(())
    }
}

/// The ids of those browsers' `sessions` that their persons have beyond [`MAX_OF_PERSON`], the oldest first. Whoever
/// is connected keeps a session, and so do devices.
fn surplus(sessions: &[ClientSession]) -> Vec<&str> {
    let mut of_people: HashMap<&str, Vec<&ClientSession>> = HashMap::new();
    for session in sessions {
        let label = session.label.as_deref().and_then(SessionLabel::read);
        if let Some(label) = label
            && label.device.is_none()
            && !session.connected
        {
            of_people.entry(label.owner).or_default().push(session);
        }
    }
    let mut surplus = Vec::new();
    for mut of_person in of_people.into_values() {
        of_person.sort_by_key(|session| Reverse(session.last_connected_at.max(session.issued_at)));
        surplus.extend(of_person.into_iter().skip(MAX_OF_PERSON));
    }
    surplus.sort_by_key(|session| session.issued_at);
    surplus.iter().map(|session| &*session.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairing::client_list;

    /// The list of `rows`: ids, labels, and what else t3 says of each.
    fn list(rows: impl Iterator<Item = (String, &'static str, String)>) -> Vec<ClientSession> {
        let rows = rows.map(|(id, label, more)| {
            format!(r#"{{"sessionId":"{id}","client":{{"label":"{label}"}}{more}}}"#)
        });
        let rows = rows.collect::<Vec<_>>().join(",");
        client_list::read(format!("[{rows}]").as_bytes()).expect("a list")
    }

    fn issued(second: usize) -> String {
        let (minute, second) = (second / 60, second % 60);
        format!(r#","issuedAt":"2026-11-22T14:{minute:02}:{second:02}.000Z""#)
    }

    #[test]
    fn the_oldest_of_a_person_make_way() {
        let ada = (0..MAX_OF_PERSON + 2).map(|at| (format!("ada-{at}"), "ada@sso", issued(at)));
        let bob = (0..MAX_OF_PERSON).map(|at| (format!("bob-{at}"), "bob@sso", issued(at)));
        let of_both = list(ada.chain(bob));
        assert_eq!(surplus(&of_both), ["ada-0", "ada-1"]);
        let backwards: Vec<_> = of_both.into_iter().rev().collect();
        assert_eq!(surplus(&backwards), ["ada-0", "ada-1"]);
    }

    #[test]
    fn who_is_connected_or_was_lately_and_what_is_no_browser_s_stays() {
        let lately = r#","lastConnectedAt":"2026-11-23T00:00:00.000Z""#;
        let first = [
            ("connected", "ada@sso", r#","connected":true"#),
            ("lately", "ada@sso", lately),
            ("phone", "ada@sso phone", ""),
            ("by hand", "ada", ""),
        ];
        let first = first.map(|(id, label, more)| (id.to_owned(), label, issued(0) + more));
        let later = (1..=MAX_OF_PERSON).map(|at| (at.to_string(), "ada@sso", issued(at)));
        let sessions = list(first.into_iter().chain(later));
        assert_eq!(surplus(&sessions), ["1"]);
    }
}
