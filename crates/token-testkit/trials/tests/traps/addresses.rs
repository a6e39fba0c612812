//! Base URLs that would show the secrets to others, or to a host that only looks like this machine.

use std::sync::Arc;

use transport_reqwest::ReqwestTransport;

use crate::Tally;
use crate::listener::{Listener, Manner, answer};
use crate::users::User;

/// With `PORT` for the trap's. Those that name this machine in an odd way would reach the trap if they were taken.
const REFUSED: &[&str] = &[
    "http://service.example:PORT",
    "HTTP://service.example:PORT/api",
    "http://localhost.example:PORT",
    "http://localhost.:PORT",
    "http://127.0.0.1.nip.example:PORT",
    "http://127.0.0.1.:PORT",
    "http://127.1:PORT",
    "http://0127.0.0.1:PORT",
    "http://0x7f.0.0.1:PORT",
    "http://0x7f000001:PORT",
    "http://2130706433:PORT",
    "http://0.0.0.0:PORT",
    "http://0:PORT",
    "http://[::]:PORT",
    "http://[::ffff:127.0.0.1]:PORT",
    "http://[::ffff:7f00:1]:PORT",
    "http://[::127.0.0.1]:PORT",
    "http://user:password@127.0.0.1:PORT",
    "http://user@127.0.0.1:PORT",
    "https://127.0.0.1:PORT@service.example",
    "https://service.example@127.0.0.1:PORT",
    "https://service.example\\@127.0.0.1:PORT",
    "https://service.example#@127.0.0.1:PORT",
    "https://service.example?@127.0.0.1:PORT",
    "http://127.0.0.1:PORT/?x=1",
    "http://127.0.0.1:PORT/#x",
    "http://127.0.0.1:PORT/a/../b",
    "http://127.0.0.1:PORT/a/%2e%2e/b",
    "http://127.0.0.1:PORT//a",
    "http:/127.0.0.1:PORT",
    "http:127.0.0.1:PORT",
    "//127.0.0.1:PORT",
    "127.0.0.1:PORT",
    "ftp://127.0.0.1:PORT",
    "ws://127.0.0.1:PORT",
    "socks5://127.0.0.1:PORT",
    "unix:/run/service.sock",
    "file:///etc/passwd",
    "http://127.0.0.1:PORT\r\nHost: service.example",
    "http://127.0.0.1:PORT\tservice",
    "http://１２７.0.0.1:PORT",
    "http://127。0。0。1:PORT",
];

#[tokio::test]
async fn an_address_that_would_show_the_secrets_is_refused_at_build() {
    let mut tally = Tally::default();
    let ours = Arc::new(ReqwestTransport::new().unwrap());
    for template in REFUSED {
        for user in User::ALL {
            let trap = Listener::start(Manner::Plain, move |head| answer("200 OK", &[], &user.good(head))).await;
            let base_url = template.replace("PORT", &trap.address.port().to_string());
            let refused = user.refused_setting(&base_url, Arc::clone(&ours) as _).await;
            tally.note(trap.bytes().len());
            tally.expect(refused.as_deref() == Some("base_url"), || format!("{base_url:?}, {user:?}: {refused:?}"));
            tally.expect(trap.connections() == 0, || format!("{base_url:?}, {user:?}: the trap was called"));
        }
    }
    tally.end("addresses", 25);
}
