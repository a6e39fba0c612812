//! Connections that break, answers that do not come, and answers from elsewhere.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpSocket;

use super::answers;
use crate::answer::Answer;
use crate::clock::ManualClock;
use crate::run::{Case, Run, shown};
use token_core::{ErrorKind, Resend};

pub(super) async fn a_broken_connection_is_a_transport_error(run: &mut Run<'_>) {
    for case in answers::broken(run.subject) {
        if let Some(error) = run.ask_for_error(&case).await {
            run.expect(&case.name, error.kind() == ErrorKind::Transport, "an error of the kind Transport", shown(&error));
        }
    }
}

pub(super) async fn a_silent_service_is_given_up_on(run: &mut Run<'_>) {
    let good = run.good().answer(run.subject);
    for case in [
        Case::unending("no answer at all", Answer::silence()),
        Case::unending("nothing after half of the body", good.clone().stalling()),
        // Whoever only waits for the next byte waits for ever.
        Case::unending("a byte of the body now and then", good.dripping()),
    ] {
        if let Some(error) = run.ask_for_error(&case).await {
            let holds = error.kind() == ErrorKind::Transport && error.is_transient();
            run.expect(&case.name, holds, "a transient error of the kind Transport", shown(&error));
        }
    }
}

pub(super) async fn a_redirect_is_not_followed(run: &mut Run<'_>) {
    for status in [301, 302, 303, 307, 308] {
        let name = format!("redirect {status} to another server");
        let Some(target) = run.server(&name, [run.good().answer(run.subject)]).await else { return };
        let case = Case::new(&*name, Answer::redirect(status, &format!("{}/elsewhere", target.base_url())));
        if let Some(error) = run.ask_for_error(&case).await {
            let found = error.http_status();
            run.expect(&name, found == Some(status), format!("an error with the status {status}"), format!("{found:?}"));
        }
        let connections = target.connections();
        run.expect(&name, connections == 0, "no connection to the target", format!("{connections}"));

        let case = Case::new(format!("redirect {status} within the server"), Answer::redirect(status, "/elsewhere"));
        if let Some(asked) = run.ask(&case).await {
            let requests: Vec<_> = asked.requests.iter().map(|request| request.path()).collect();
            run.expect(&case.name, requests.len() == 1, "one request", format!("{requests:?}"));
        }
    }
}

pub(super) async fn only_harmless_requests_may_be_sent_again(run: &mut Run<'_>) {
    let harmless = run.subject.resend() == Resend::AfterRefusal;
    let mut cases = answers::broken(run.subject);
    cases.extend(answers::service_faults());
    cases.push(Case::unending("no answer", Answer::silence()));
    for case in cases {
        if let Some(error) = run.ask_for_error(&case).await {
            let found = error.may_be_sent_again();
            let expected = format!("`Error::may_be_sent_again` is {harmless} once the service may have the request");
            run.expect(&case.name, found == harmless, expected, format!("{found}, in {}", shown(&error)));
        }
    }

    let name = "nobody listens";
    let (_socket, address) = match silent_port() {
        Ok(port) => port,
        Err(error) => return run.fail(name, "a port on loopback", error.to_string()),
    };
    let setup = run.setup(format!("http://{address}"), Arc::new(ManualClock::new()));
    let provider = run.subject.provider(&setup);
    match run.token(name, provider).await {
        Some(Ok(token)) => run.fail(name, "an error", format!("a token: {token:?}")),
        Some(Err(error)) => {
            let holds = error.kind() == ErrorKind::Transport && error.is_transient() && error.may_be_sent_again();
            run.expect(name, holds, "a transient error of the kind Transport that may be sent again", shown(&error));
        }
        None => {}
    }
}

/// A port that is taken, so that nobody else gets it, and on which nobody listens.
fn silent_port() -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
