//! The checklist of bad input, faults and attacks that a proxy hop has to withstand, and the access policy.
//!
//! A test is named after its row in the checklist. Rows that tests of the other folders cover:
//!
//! | row | test |
//! |---|---|
//! | 6 trailers | `proxy::bodies::a_chunked_upload_and_its_trailers_stay_chunked`, and `request_bodies` here |
//! | 8 pipelining | `proxy::forwarding::pipelined_requests_are_answered_in_order` |
//! | 11 absolute-form | `proxy::forwarding::an_absolute_target_goes_on_in_origin_form`, and `host_and_target` here |
//! | 14 hop-by-hop fields | `proxy::forwarding::the_target_and_the_fields_arrive_as_they_were_sent`, `proxy::forwarding::response_fields_come_back_unchanged_without_hop_by_hop_ones`, and `hop_by_hop` here |
//! | 17 own paths | `proxy::failures::healthz_is_the_dispatcher_s_own_whatever_t3_does`, and `request_target` here |
//! | 19 a refused upgrade | `proxy::websocket::a_refused_upgrade_is_t3_s_response_and_the_connection_stays_open`, and `upgrades` here |
//! | 20 early bytes | `proxy::websocket::bytes_behind_the_upgrade_wait_for_the_101`, and `upgrades` here |
//! | 21 an unrequested 101 | `proxy::failures::an_invalid_response_becomes_a_502`, `proxy::websocket::a_101_to_another_protocol_is_a_502` |
//! | 25 nothing healed | `pairing::healing::a_page_of_another_origin_heals_nothing`, and `websocket_origin` here |
//! | 26 frames | `proxy::websocket::text_a_mebibyte_pings_and_the_close_go_through`, and `upgrades` here |
//! | 27 the end of a side | `proxy::websocket::a_client_s_death_ends_t3_s_side`, `proxy::websocket::t3_s_death_ends_the_client_s_side`, and `resource_use` here |
//! | 28 Location | `pairing::page_load::the_location_stays_on_this_origin` |
//! | 29 control characters in the path | `pairing::page_load::the_location_stays_on_this_origin`, and `pairing` here |
//! | 30 no-store | `pairing::page_load::a_cookieless_page_load_is_sent_back_with_a_session_that_works` |
//! | 31 no pairing | `pairing::page_load::nothing_but_a_cookieless_page_load_runs_the_cli`, and `pairing` here |
//! | 32 Set-Cookie | `pairing::page_load::t3_s_set_cookie_lines_are_forwarded_unchanged` |
//! | 34 credentials | `operations::process::no_credential_and_no_cookie_is_in_the_log_at_any_level` |
//! | 35 the CLI | `pairing::failures`, all of it, and `pairing` here |
//! | 37 the client leaves during pairing | `pairing::failures::a_client_that_leaves_while_the_cli_runs_leaves_no_process_behind` |
//! | 39 back-pressure | `proxy::websocket::a_stalled_reader_holds_the_sender_up_and_loses_nothing`, and `resource_use` here |
//! | 40 t3 unreachable | `proxy::failures::an_unreachable_t3_is_a_503_at_once_for_scripts_and_after_a_wait_for_pages`, `proxy::failures::a_connection_that_hangs_is_a_503_in_time`, `proxy::failures::a_t3_that_never_answers_is_a_504_in_time`, and `upstream_faults` here |
//! | 41 a response cut short | `proxy::failures::a_response_cut_short_is_never_made_whole` |
//! | 42 a kept connection | `proxy::failures::a_request_that_met_a_closed_connection_is_tried_once_more_if_that_is_safe`, `proxy::failures::none_of_two_thousand_requests_meets_the_end_of_a_kept_connection` |
//! | 43 an early response | `proxy::failures::an_early_response_is_relayed_and_stops_the_upload` |
//! | 44 the client leaves | `proxy::failures::a_client_that_leaves_ends_its_upstream_request` |
//! | 45 interim responses | `proxy::bodies::expect_continue_is_answered_once`, `proxy::forwarding::interim_responses_come_before_the_final_one`, and `upstream_faults` here |
//! | 46 no body | `proxy::bodies::head_and_bodiless_responses_keep_their_length_and_have_no_body` |
//! | 47 invalid responses | `proxy::failures::an_invalid_response_becomes_a_502`, and `upstream_faults` here |
//! | 48 HTTP/1.0 | `proxy::forwarding::an_http_1_0_client_gets_no_chunks`, and `upstream_faults` here |
//! | 50 SIGTERM | `operations::process::sigterm_and_sigint_let_the_request_under_way_finish`, `operations::process::a_drain_closes_tunnels_and_is_over_when_they_are`, `operations::pid_1::it_drains_as_pid_1_too` |
//! | 51 t3 gone | `pairing::restart`, all of it |

#[path = "../common/mod.rs"]
mod common;

mod allowed_users;
mod ambiguous_framing;
mod answer_shapes;
mod borrowed_session;
mod carve_outs;
mod desync_corpus;
mod devices_page;
mod drain;
mod early_answers;
mod forwarded_fields;
mod frame_ancestors;
mod gate_presets;
mod gates;
mod hanging_files;
mod harness;
mod head_size;
mod hop_by_hop;
mod host_and_target;
mod identity;
mod kept_files;
mod key_server;
mod limits;
mod log_lines;
mod malformed_head;
mod memory_sum;
mod namespace;
mod offboarding;
mod options;
mod page_load_flood;
mod pair_link;
mod pairing;
mod patience;
mod places;
mod published_keys;
mod recorder;
mod remote_peer;
mod request_bodies;
mod request_target;
mod resource_exhaustion;
mod resource_use;
mod revoked_session;
mod rights;
mod session_check_failures;
mod session_owner;
mod several_addresses;
mod shared_secret;
mod signed_identity;
mod signed_paths;
mod signing;
mod slow_clients;
mod tab;
mod ticket_sockets;
mod trusted_proxies;
mod tunnel_end;
mod upgrades;
mod upstream_faults;
mod user_agent;
mod vanished_peers;
mod varnishtest;
mod websocket_handshake;
mod websocket_origin;
mod withheld_fields;
