//! An app from the descriptor to its last request, of each origin, in front of each t3.

use t3_standin::edition::Edition;

use crate::common::app::ORIGINS;
use crate::common::app_way::goes_its_way;
use crate::common::in_front_of_each_t3;
use crate::door::Door;

async fn an_app_of_each_origin_goes_its_way(edition: Edition) {
    let door = Door::of(edition).await;
    for (number, origin) in ORIGINS.into_iter().enumerate() {
        let code = door.code("ada").await;
        door.forget();
        let mut app = door.app(origin).await;
        let t3 = (edition, &door.world.standin);
        let name = format!("Phone {number}");
        goes_its_way(&mut app, t3, &code, &name).await;
        door.assert_nothing_gained("an app");
        let sessions = door.world.standin.sessions();
        let label = sessions.last().and_then(|row| row.label.clone());
        assert_eq!(label, Some(format!("ada@sso {name}")));
    }
}

in_front_of_each_t3!(an_app_of_each_origin_goes_its_way);

/// A restart of the dispatcher costs a device nothing: t3 knows its token.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_outlives_the_dispatcher() {
    let first = Door::of(Edition::Protocol2).await;
    let app = first.paired("ada").await;
    let Door { world, edition } = first;
    let (standin, dir) = (world.standin, world.dir);
    world.dispatcher.drain().await;
    let options = ["--identity-header", crate::door::USER, "--device-port", "0"];
    let config = crate::common::config(standin.addr(), dir.path(), &options);
    let dispatcher = crate::common::Dispatcher::start(config).await;
    let mut again = crate::common::app::App {
        to: dispatcher.devices.expect("a door for apps"),
        ..app
    };
    again.connect_again().await.expect("a socket").ping().await;
    for target in crate::common::app_way::reads(edition).iter().take(2) {
        assert_eq!(again.call(target).await.status, 200, "{target}");
    }
}
