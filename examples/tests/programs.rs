//! The examples that send requests, run as programs.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::process::Command;

/// What a program says, on the standard output and on the standard error.
fn run(name: &str) -> (String, String) {
    // Cargo builds the examples beside the tests: target/debug/deps/this-test, target/debug/examples/NAME.
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "run `cargo test -p examples`, which builds the examples too");
    let output = Command::new(program).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, logged) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{said}{logged}");
    // Every id, secret, signature and token of the sandbox is a run of at least 30 such characters; of ours there are names of metrics.
    let opaque = |character: char| !(character.is_ascii_alphanumeric() || "-_./+=".contains(character));
    let words = |text: &str| text.split(opaque).filter(|run| run.len() >= 30 && !run.starts_with("token_")).count();
    assert_eq!((words(&said), words(&logged)), (0, 0), "{said}{logged}");
    (said, logged)
}

#[test]
fn klikoo_balance_signs_and_renews_and_stays_at_home() {
    let (said, _) = run("klikoo-balance");
    assert_eq!(said.matches("200 OK").count(), 3, "{said}");
    assert!(
        said.contains("Siti Contoh") && said.contains("was not sent") && said.contains("https://elsewhere.example"),
        "{said}"
    );
    // The third call met the token that was ended, and was sent again.
    assert!(said.ends_with("tokens asked for: 2, calls of the API: 4\n"), "{said}");
}

#[test]
fn sehatmu_tower_gets_over_an_ended_token_and_a_fault() {
    let (said, _) = run("sehatmu-tower");
    assert_eq!(said.matches("200 OK").count(), 3, "{said}");
    assert!(said.ends_with("tokens asked for: 2, calls of the API: 5\n"), "{said}");
}

#[test]
fn observe_shows_what_the_token_does() {
    let (said, logged) = run("observe");
    for line in [
        "tokens_refused_total{provider=\"sehatmu\"} 1",
        "token_requests_total{provider=\"sehatmu\",result=\"ok\"} 2",
        "token_request_seconds_count 2",
        "# EOF",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\n{said}");
    }
    // A caller waits for a request, unless it has ended meanwhile.
    let count = |name: &str| {
        let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("_total{provider=\"sehatmu\"} "));
        value.map_or(0, |value| value.parse::<u32>().unwrap())
    };
    assert_eq!(count("tokens_served") + count("token_waits"), 6, "{said}");
    for event in ["token_refresh_began", "token_refresh_ended", "token_invalidated"] {
        assert!(logged.contains(event), "{event}\n{logged}");
    }
    assert!(!logged.contains("hyper"), "{logged}");
}
