//! The program.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_token-sandbox");

/// Ends the program with the test, also with one that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn help_and_version_are_printed_and_a_wrong_flag_is_an_error() {
    for (argument, code, part) in
        [("--help", 0, "--redirect-uri"), ("--version", 0, env!("CARGO_PKG_VERSION")), ("--prot", 2, "--prot")]
    {
        let output = Command::new(PROGRAM).arg(argument).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{argument}");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains(part), "{argument}: {text}");
    }
}

#[test]
fn an_address_to_which_nobody_can_be_sent_is_refused_at_start() {
    for flag in ["--redirect-uri", "--login-uri"] {
        for address in ["foo", "/callback", "127.0.0.1:3000/callback", "ftp://127.0.0.1/", "http://127.0.0.1/#part", ""] {
            let mut command = Command::new(PROGRAM);
            let output = command.args([flag, "http://127.0.0.1:3000/right", flag, address]).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{flag} {address}");
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(text.contains("not an absolute") && text.contains(&format!("`{address}`")), "{flag} {address}: {text}");
            assert!(output.stdout.is_empty(), "{flag} {address}");
        }
    }
}

#[tokio::test]
async fn what_is_printed_can_be_taken_over_and_works_until_ctrl_c() {
    let child = Command::new(PROGRAM).stdout(Stdio::piped()).spawn().unwrap();
    let mut program = Running(child);
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut variables = HashMap::new();
    while !variables.contains_key("KLIKOO_PRIVATE_KEY") {
        let line = lines.next().unwrap().unwrap();
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
            variables.insert(name.to_owned(), value.trim_matches('\'').to_owned());
        }
    }
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &variables["SEHATMU_CLIENT_ID"]),
        ("client_secret", &variables["SEHATMU_CLIENT_SECRET"]),
    ];
    let url = format!("{}/oauth/token", variables["SEHATMU_BASE_URL"]);
    assert_eq!(client().post(&url).form(&form).send().await.unwrap().status(), 200);

    #[cfg(unix)]
    {
        // `kill` of the shell: the program of that name is not on every machine.
        let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", program.0.id())]).status().unwrap();
        assert!(sent.success());
        assert_eq!(program.0.wait().unwrap().code(), Some(0));
        assert!(client().post(&url).form(&form).send().await.is_err());
    }
}
