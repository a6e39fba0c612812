//! The application, run as the READMEs say.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::Client;

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_prints_where_it_is_and_serves_there() {
    // Cargo builds the examples beside the tests: target/debug/deps/this-test, target/debug/examples/prakerja-login.
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("examples/prakerja-login");
    assert!(program.exists(), "run `cargo test -p examples`, which builds the examples too");
    let mut program = Program(Command::new(program).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split(' ').find(|word| word.starts_with("http://localhost:")).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let page = client.get(format!("{address}/mulai")).send().await.unwrap();
    // On to the sandbox, in the same program.
    assert!(page.url().as_str().contains("/consent-sso?client_id="), "{}", page.url());
    assert!(page.text().await.unwrap().contains("Masuk ke Prakerja"));
}
