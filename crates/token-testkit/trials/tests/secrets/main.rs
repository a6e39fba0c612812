//! Whatever comes out of the libraries holds no secret: every flow of every provider, good and bad, with everything that is written searched.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod faults;
mod flows;
mod output;
mod planted;
mod requests;
mod sessions;
mod settings;
mod tls;
mod world;

use crate::output::Output;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_comes_out_holds_a_secret() {
    let output = Output::get();
    let _turn = output.turn().await;
    let mut world = World::new().await;
    for over_tls in [false, true] {
        world.over_tls = over_tls;
        flows::sehatmu(&mut world).await;
        flows::klikoo(&mut world).await;
        flows::prakerja(&mut world).await;
        flows::web_login(&mut world).await;
        flows::generated_url(&mut world).await;
        requests::authorised(&mut world).await;
        sessions::kept(&mut world).await;
        sessions::broken(&mut world).await;
        faults::answers(&mut world).await;
        faults::connections(&mut world).await;
    }
    requests::over_http2(&mut world).await;
    faults::panics(&mut world).await;
    settings::bad(&mut world);
    world.search("everything once more");

    let (secrets, spellings, bytes) = world.figures();
    println!("{secrets} secrets in {spellings} spellings, {bytes} bytes searched");
    println!("records by origin: {:?}", output.origins());
    assert!(secrets >= 12, "{secrets}");
    // What is not heard of cannot be searched.
    for origin in ["h2", "hyper_util", "reqwest", "rustls", "token_core"] {
        assert!(output.origins().keys().any(|known| known.starts_with(origin)), "{origin} wrote nothing: {:?}", output.origins());
    }
}
