//! The quickstart, run as a program.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::process::Command;

#[test]
fn it_shows_three_services_and_no_secret() {
    // Cargo builds the examples beside the tests: target/debug/deps/this-test, target/debug/examples/quickstart.
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("examples/quickstart");
    assert!(program.exists(), "run `cargo test -p examples`, which builds the examples too");
    let output = Command::new(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    for service in ["Prakerja", "SehatMu", "Klikoo"] {
        let row = text.lines().find(|line| line.starts_with(service)).unwrap();
        assert!(row.contains("HTTP 200") && row.contains("from the cache"), "{row}");
    }
    assert!(text.contains("correct the settings") && text.contains("requests for it:  0"), "{text}");
    // Every id, secret and token of the sandbox is a run of at least 30 such characters, and no word of ours is.
    let opaque = |character: char| !(character.is_ascii_alphanumeric() || "-_./+=".contains(character));
    assert!(text.split(opaque).all(|run| run.len() < 30), "{text}");
}
