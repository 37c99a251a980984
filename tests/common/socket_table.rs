//! The kernel's table of this network's TCP sockets over IPv4 (proc_pid_net(5)).

/// A socket, by its ports.
pub struct Socket {
    pub local: u16,
    pub remote: u16,
    /// `01` is established, `08` ended by the other side.
    pub state: String,
    /// The bytes that wait to be read by its program.
    pub unread: u64,
}

/// All sockets at this moment.
pub fn sockets() -> Vec<Socket> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("procfs");
    let sockets = table.lines().skip(1).map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let behind_colon = |field: &str| field.split_once(':').map(|(_, hex)| hex.to_owned());
        let port = |field| u16::from_str_radix(&behind_colon(field)?, 16).ok();
        Some(Socket {
            local: port(fields.get(1)?)?,
            remote: port(fields.get(2)?)?,
            state: (*fields.get(3)?).to_owned(),
            unread: u64::from_str_radix(&behind_colon(fields.get(4)?)?, 16).ok()?,
        })
    });
    sockets
        .map(|socket| socket.expect("a line of the table"))
        .collect()
}
