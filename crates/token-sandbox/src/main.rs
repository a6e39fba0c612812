//! The sandbox as a program: prints where it is and how to reach it, and serves until Ctrl-C.

use std::io::{self, Write};
use std::process::ExitCode;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use token_sandbox::Sandbox;

const HELP: &str = "\
Prakerja, SehatMu and Klikoo on loopback, until Ctrl-C.

Usage: token-sandbox [OPTIONS]

Options:
      --login-uri <URI>     Register this Prakerja login address; may be repeated
      --mild                Take the mild reading of the services' documentation
      --port <PORT>         Use this port and the three that follow [default: free ones]
      --redirect-uri <URI>  Register this Prakerja redirect address; may be repeated
  -h, --help                Print this help
  -V, --version             Print the version

Addresses are absolute, such as http://127.0.0.1:3000/callback.
Without --redirect-uri and --login-uri any loopback address is taken.
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::read(lexopt::Parser::from_env()) {
        Ok(arguments) => arguments,
        Err(error) => {
            complain(&format!("{error}\nTry `token-sandbox --help`."));
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            complain(&text);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    match arguments.show {
        Some(Show::Help) => return print(HELP),
        Some(Show::Version) => return print(concat!("token-sandbox ", env!("CARGO_PKG_VERSION"), "\n")),
        None => {}
    }
    let mut builder = Sandbox::builder().port(arguments.port);
    if arguments.mild {
        builder = builder.mild();
    }
    let builder = builder.prakerja(|settings| {
        settings.redirect_uris = arguments.redirect_uris;
        settings.login_uris = arguments.login_uris;
    });
    let sandbox = builder.start().await.map_err(|error| chain(&error))?;
    print(&describe(&sandbox))?;
    tokio::signal::ctrl_c().await.map_err(|error| format!("cannot wait for Ctrl-C: {error}"))?;
    sandbox.shutdown().await;
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    login_uris: Vec<String>,
    mild: bool,
    port: u16,
    redirect_uris: Vec<String>,
    show: Option<Show>,
}

#[derive(Debug, PartialEq, Eq)]
enum Show {
    Help,
    Version,
}

impl Arguments {
    fn read(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;

        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("login-uri") => arguments.login_uris.push(parser.value()?.string()?),
                Long("mild") => arguments.mild = true,
                Long("port") => arguments.port = parser.value()?.parse()?,
                Long("redirect-uri") => arguments.redirect_uris.push(parser.value()?.string()?),
                Short('h') | Long("help") => arguments.show = Some(Show::Help),
                Short('V') | Long("version") => arguments.show = Some(Show::Version),
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }
}

/// Where everything is, as comments, and the lines that a shell takes over.
fn describe(sandbox: &Sandbox) -> String {
    let prakerja = sandbox.prakerja_credentials();
    let sehatmu = sandbox.sehatmu_credentials();
    let klikoo = sandbox.klikoo_credentials();
    let variables = [
        ("PRAKERJA_CLIENT_ID", prakerja.client_id()),
        ("PRAKERJA_CLIENT_NAME", prakerja.client_name()),
        ("PRAKERJA_REDIRECT_URI", prakerja.redirect_uri()),
        ("PRAKERJA_LOGIN_URI", prakerja.login_uri()),
        ("PRAKERJA_BASE_URL", sandbox.prakerja_base_url()),
        ("PRAKERJA_CONSENT_URL", sandbox.prakerja_consent_url()),
        ("PRAKERJA_SIGN_KEY", prakerja.sign_key()),
        ("PRAKERJA_CLIENT_CODE", prakerja.client_code()),
        ("SEHATMU_BASE_URL", sandbox.sehatmu_base_url()),
        ("SEHATMU_CLIENT_ID", sehatmu.client_id()),
        ("SEHATMU_CLIENT_SECRET", sehatmu.client_secret()),
        ("KLIKOO_BASE_URL", sandbox.klikoo_base_url()),
        ("KLIKOO_CLIENT_ID", klikoo.client_id()),
        ("KLIKOO_CLIENT_SECRET", klikoo.client_secret()),
        // On one line, as the dashboard takes a PEM.
        ("KLIKOO_PRIVATE_KEY", &BASE64_STANDARD.encode(klikoo.private_key_pem())),
    ];
    let exports: String = variables.iter().map(|(name, value)| format!("export {name}={}\n", quote(value))).collect();
    format!(
        "# The sandbox serves until Ctrl-C. Paste these lines into another shell.\n\
         # Everything in them is invented and ends with the sandbox.\n\
         #\n\
         # Prakerja  {}\n\
         # SehatMu   {}\n\
         # Klikoo    {}\n\
         # Control   {}  (keep the path to yourself)\n\
         \n{exports}",
        sandbox.prakerja_base_url(),
        sandbox.sehatmu_base_url(),
        sandbox.klikoo_base_url(),
        sandbox.control_url(),
    )
}

/// One word for a POSIX shell.
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn print(text: &str) -> Result<(), String> {
    let mut output = io::stdout().lock();
    // Flushed: whoever reads from a pipe waits for these lines.
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|error| format!("cannot print: {error}"))
}

fn complain(text: &str) {
    // When even that fails, the exit code is all that is left.
    let _ = writeln!(io::stderr(), "token-sandbox: {text}");
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Arguments, String> {
        Arguments::read(lexopt::Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_read() {
        let expected = Arguments {
            login_uris: vec!["http://127.0.0.1:3000/login".to_owned()],
            mild: true,
            port: 4000,
            redirect_uris: vec!["http://127.0.0.1:3000/a".to_owned(), "http://127.0.0.1:3000/b".to_owned()],
            show: None,
        };
        let arguments = [
            "--mild",
            "--port=4000",
            "--redirect-uri",
            "http://127.0.0.1:3000/a",
            "--redirect-uri=http://127.0.0.1:3000/b",
            "--login-uri",
            "http://127.0.0.1:3000/login",
        ];
        assert_eq!(read(&arguments), Ok(expected));
        assert_eq!(read(&["-h"]).unwrap().show, Some(Show::Help));
    }

    #[test]
    fn a_wrong_argument_is_named() {
        for (arguments, part) in [
            (&["--prot"][..], "--prot"),
            (&["--port", "many"], "many"),
            (&["--port", "70000"], "70000"),
            (&["--port"], "--port"),
            (&["extra"], "extra"),
            (&["--mild=yes"], "--mild"),
        ] {
            let error = read(arguments).unwrap_err();
            assert!(error.contains(part), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quote("plain"), "'plain'");
        assert_eq!(quote("Lembaga Contoh & Rekan $HOME"), "'Lembaga Contoh & Rekan $HOME'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[tokio::test]
    async fn every_variable_that_the_providers_read_is_printed_once() {
        let sandbox = Sandbox::start().await.unwrap();
        let text = describe(&sandbox);
        for name in [
            "PRAKERJA_CLIENT_ID",
            "PRAKERJA_CLIENT_NAME",
            "PRAKERJA_REDIRECT_URI",
            "PRAKERJA_LOGIN_URI",
            "PRAKERJA_BASE_URL",
            "PRAKERJA_CONSENT_URL",
            "PRAKERJA_SIGN_KEY",
            "PRAKERJA_CLIENT_CODE",
            "SEHATMU_BASE_URL",
            "SEHATMU_CLIENT_ID",
            "SEHATMU_CLIENT_SECRET",
            "KLIKOO_BASE_URL",
            "KLIKOO_CLIENT_ID",
            "KLIKOO_CLIENT_SECRET",
            "KLIKOO_PRIVATE_KEY",
        ] {
            assert_eq!(text.matches(&format!("export {name}='")).count(), 1, "{name}");
        }
        assert!(text.contains(sandbox.control_url()));
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#') || line.starts_with("export ")), "{text}");
    }
}
