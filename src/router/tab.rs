//! What a tab of t3's page asks the dispatcher for, while its own session with single sign-on may have ended.

use std::sync::Arc;

use http::StatusCode;
use http::header::IF_NONE_MATCH;

use crate::access::visitor::Standing;
use crate::http_rules::HeaderView;
use crate::http_rules::grammar::list_members;
use crate::http_rules::origin;
use crate::pairing::policy::RouteKind;
use crate::responses::{self, ClientResponse, tab};
use crate::router::Router;
use crate::router::context::RequestContext;
use crate::router::route::TabPart;
use crate::state::instance::Instance;

impl Router<'_> {
    /// Answers for a tab, without t3 and without a session of t3's. The script is nobody's secret; what else
    /// is asked for says of a person that single sign-on let the request through, which no other origin is
    /// told. `instance` is the person's.
    pub(super) fn tab(
        &self,
        part: TabPart,
        instance: Option<&Arc<Instance>>,
        context: &RequestContext<'_>,
    ) -> ClientResponse {
        let headers = &context.head.headers;
        let is_nobody = context.visitor.standing == Standing::Unidentified;
        match part {
            // A sign-in leads there from another origin.
            TabPart::SignedIn if is_nobody => self.nobody(RouteKind::PageLoad, context),
            TabPart::SignedIn => tab::signed_in(),
            _ if origin::is_of_another_origin(headers) => {
                let why = "another origin's page";
                responses::refused(StatusCode::FORBIDDEN, why, &context.id)
            }
            TabPart::Alive if is_nobody => self.nobody(RouteKind::Other, context),
            TabPart::Alive => match instance {
                Some(instance) => {
                    let is_leaving = self.services.tasks.is_leaving();
                    tab::alive(instance.readiness.status().state, is_leaving)
                }
                None => self.no_instance(RouteKind::Other, context),
            },
            TabPart::Script => {
                let mut held = headers.lines(&IF_NONE_MATCH).flat_map(list_members);
                let is_held = held.any(tab::is_script_tag);
                tab::script(context.head.uri.query(), is_held)
            }
        }
    }
}
