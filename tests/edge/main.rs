//! The dispatcher behind the proxies and the gate that people put in front of it: `.ci/edge`.

#[path = "../common/mod.rs"]
mod common;

mod bridge;
mod certificate;
mod devices;
mod other_proxies;
mod outpost;
mod programs;
mod restarts;
mod sign_in;
mod spoofing;
mod stack;
#[path = "../live/t3.rs"]
mod t3;
mod tab;
mod traefik;
mod two_fronts;
