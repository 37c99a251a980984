//! The stand-in against the contract, over real sockets and as a real process.

mod apps;
mod bundle;
mod cli;
mod cli_faults;
mod client;
mod exchange;
mod exchange_faults;
mod http;
mod lifecycle;
mod minting;
mod probes;
mod protocol_2;
mod protocol_2_cli;
mod protocol_2_files;
mod protocol_2_sockets;
mod room;
mod session;
mod websocket;
