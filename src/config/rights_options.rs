//! The options that say whose sessions may do more than the standard, and whose less: by group.

use clap::Args;

use crate::config::parse;

/// Whose sessions have other rights than the standard, and which a guest's has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct RightsConfig {
    /// Groups whose members get all rights that the dispatcher's own session on t3 has, separated by commas:
    /// they may see t3's clients, pair devices from t3's settings, approve agents. This lets nobody in.
    #[arg(long, env = "DISPATCHER_ADMIN_GROUPS", hide_short_help = true, value_name = "GROUPS", value_delimiter = ',', requires_all = ["identity_source", "groups_source"], value_parser = parse::group)]
    pub admin_groups: Option<Vec<String>>,

    /// Groups whose members get the rights of a guest and no others, separated by commas; who is in a group of
    /// administrators too is an administrator, and whose groups are not stated is a guest. This lets nobody in.
    #[arg(long, env = "DISPATCHER_GUEST_GROUPS", hide_short_help = true, value_name = "GROUPS", value_delimiter = ',', requires_all = ["identity_source", "groups_source"], value_parser = parse::group)]
    pub guest_groups: Option<Vec<String>>,

    /// What a guest may do, by t3's names of scopes, separated by commas; those that this t3 does not know are
    /// left out. `filesystem:read` and `terminal:read` show secrets.
    #[arg(long, env = "DISPATCHER_GUEST_SCOPES", hide_short_help = true, value_name = "SCOPES", value_delimiter = ',', default_value = "orchestration:read", value_parser = parse::guest_scope)]
    pub guest_scopes: Vec<String>,
}

impl RightsConfig {
    /// Does anybody have other rights than the standard?
    pub fn is_any_set(&self) -> bool {
        self.admin_groups.is_some() || self.guest_groups.is_some()
    }

    /// What contradicts itself in these options.
    pub(super) fn contradiction(&self) -> Option<String> {
        let (admins, guests) = (self.admin_groups.as_ref()?, self.guest_groups.as_ref()?);
        let both = admins.iter().find(|group| guests.contains(group))?;
        Some(format!(
            "DISPATCHER_ADMIN_GROUPS and DISPATCHER_GUEST_GROUPS both name {both:?}"
        ))
    }
}
