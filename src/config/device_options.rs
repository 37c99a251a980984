//! The options of the door for apps: a second listener for what cannot pass single sign-on.

use clap::Args;

use crate::config::device_host::DeviceHost;

/// Where apps of phones and desktops connect, which cannot pass single sign-on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Devices")]
pub struct DeviceConfig {
    /// Port for t3's apps, on the same address, for a route that single sign-on does not guard: no
    /// identity counts there, and nothing but an app's requests reaches t3.
    #[arg(
        id = "device_port",
        long = "device-port",
        env = "DISPATCHER_DEVICE_PORT",
        value_name = "PORT",
        hide_short_help = true
    )]
    pub port: Option<u16>,

    /// Host name at which apps reach that port, with `:port` if it is not 443; where each person has
    /// another t3, with `{user}` in its first label [default: the page's host and the device port].
    #[arg(id = "device_host", long = "device-host", env = "DISPATCHER_DEVICE_HOST", value_name = "HOST", hide_short_help = true, requires = "device_port", value_parser = DeviceHost::parse)]
    pub host: Option<DeviceHost>,
}

impl DeviceConfig {
    /// What contradicts itself in these options, where each person has another t3 or everybody the same.
    pub(super) fn contradiction(&self, is_one_a_person: bool) -> Option<&'static str> {
        let has_user = self.host.as_ref().map(DeviceHost::names_user);
        match (self.port, is_one_a_person, has_user) {
            (Some(_), true, None | Some(false)) => Some(
                "DISPATCHER_DEVICE_PORT needs a DISPATCHER_DEVICE_HOST with {user} where each person has another t3",
            ),
            (_, false, Some(true)) => Some(
                "{user} in DISPATCHER_DEVICE_HOST is for DISPATCHER_ROUTES or DISPATCHER_UPSTREAM_TEMPLATE",
            ),
            _ => None,
        }
    }
}
