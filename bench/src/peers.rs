//! Who is compared.

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Direct,
    Relay,
    Hyper,
    Nginx,
    Haproxy,
    HttpProxy,
    OldWay,
    Dispatcher,
}

impl Peer {
    pub(crate) const ALL: [Self; 8] = [
        Self::Direct,
        Self::Relay,
        Self::Hyper,
        Self::Nginx,
        Self::Haproxy,
        Self::HttpProxy,
        Self::OldWay,
        Self::Dispatcher,
    ];

    /// Its name in the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "no proxy",
            Self::Relay => "TCP relay",
            Self::Hyper => "bare hyper",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::HttpProxy => "http-proxy",
            Self::OldWay => "old way",
            Self::Dispatcher => "t3-dispatcher",
        }
    }

    /// Does a WebSocket pass it?
    pub(crate) fn upgrades(self) -> bool {
        self != Self::Hyper
    }
}
