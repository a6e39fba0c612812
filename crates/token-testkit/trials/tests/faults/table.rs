//! What must come of every fault.

use std::fmt;
use std::time::Duration;

use token_core::{Error, ErrorKind, Remedy, Token};
use token_sandbox::{CertificateFault, Ending, Fault, Page, Place, RetryAfter};

/// A call of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Exchange,
    Klikoo,
    Refresh,
    SehatMu,
}

impl Call {
    /// Whether a second copy of the request could do harm, so that it has a connection of its own and is sent once.
    pub(crate) fn is_sent_once(self) -> bool {
        matches!(self, Self::Exchange | Self::Refresh)
    }

    /// In the order of a row.
    pub(crate) const ALL: [Self; 4] = [Self::Refresh, Self::Exchange, Self::SehatMu, Self::Klikoo];
}

/// How long the transport waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Little: for what ends by a time-out alone.
    Short,
    /// So long that no busy machine makes a time-out.
    Long,
}

/// What came of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Token,
    Error(ErrorKind, Remedy),
}

impl Outcome {
    pub(crate) fn of(result: &Result<Token, Error>) -> Self {
        match result {
            Ok(_) => Self::Token,
            Err(error) => Self::Error(error.kind(), error.remedy()),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token => formatter.write_str("token"),
            Self::Error(kind, remedy) => write!(formatter, "{kind:?}/{remedy:?}"),
        }
    }
}

/// A fault, and what a caller gets who has no usable token: by [`Call::ALL`]. With a usable one, a token, whatever the fault.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    pub(crate) outcomes: [Outcome; 4],
    /// It touches no connection that is open already. Who asked before with client credentials has one, and gets a token.
    pub(crate) spares_kept_connections: bool,
    /// With the answer the new refresh token is lost, while the old one is spent.
    pub(crate) loses_answer: bool,
    pub(crate) patience: Patience,
    pub(crate) has_tls: bool,
    /// The fault is there from the first request on.
    pub(crate) is_there_before: bool,
}

fn row(name: &'static str, fault: Fault, outcomes: [Outcome; 4]) -> Row {
    Row {
        name,
        fault,
        outcomes,
        spares_kept_connections: false,
        loses_answer: false,
        patience: Patience::Long,
        has_tls: false,
        is_there_before: false,
    }
}

impl Row {
    fn times_out(self) -> Self {
        Self { patience: Patience::Short, ..self }
    }

    fn loses_answer(self) -> Self {
        Self { loses_answer: true, ..self }
    }

    fn spares_kept_connections(self) -> Self {
        Self { spares_kept_connections: true, ..self }
    }

    fn over_tls(self) -> Self {
        Self { has_tls: true, ..self }
    }
}

const fn every(kind: ErrorKind, remedy: Remedy) -> [Outcome; 4] {
    [Outcome::Error(kind, remedy); 4]
}

/// What may pass by itself, and has spent the code of an exchange all the same.
const fn passing(kind: ErrorKind, remedy: Remedy) -> [Outcome; 4] {
    let passes = Outcome::Error(kind, remedy);
    [passes, Outcome::Error(kind, Remedy::LogInAgain), passes, passes]
}

const TOKEN: [Outcome; 4] = [Outcome::Token; 4];
const BROKEN: [Outcome; 4] = passing(ErrorKind::Transport, Remedy::Retry);
const UNTRUSTED: [Outcome; 4] = every(ErrorKind::Transport, Remedy::FixConfiguration);
const TOO_LARGE: [Outcome; 4] = every(ErrorKind::Transport, Remedy::ContactService);
const TORN: [Outcome; 4] = passing(ErrorKind::InvalidResponse, Remedy::Retry);
const SENSELESS: [Outcome; 4] = every(ErrorKind::InvalidResponse, Remedy::ContactService);
const LIMITED: [Outcome; 4] = passing(ErrorKind::RateLimited, Remedy::Wait);
const DOWN: [Outcome; 4] = passing(ErrorKind::Server, Remedy::Retry);
const ELSEWHERE: [Outcome; 4] = every(ErrorKind::Configuration, Remedy::FixConfiguration);

/// Klikoo alone has numbers in its answer, and JSON with a number that nothing holds is none.
const OUT_OF_RANGE: [Outcome; 4] =
    [Outcome::Token, Outcome::Token, Outcome::Token, Outcome::Error(ErrorKind::InvalidResponse, Remedy::Retry)];

/// A token of Klikoo lives for so many seconds, whatever the hour. An exchange gives what came, and whoever keeps it looks at its end.
const OVER_ON_ARRIVAL: [Outcome; 4] = {
    let over = Outcome::Error(ErrorKind::ClockSkew, Remedy::CorrectClock);
    [over, Outcome::Token, over, Outcome::Token]
};

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Row> {
    let cut = |at, ending| Fault::Cut { at, ending };
    let down = |status, page| Fault::ServerError { status, page };
    let limit = |retry_after| Fault::TooManyRequests { retry_after };
    let bomb = |unpacked_bytes, is_labelled| Fault::GzipBomb { unpacked_bytes, is_labelled };
    let second = Duration::from_secs(1);
    let mut rows = vec![
        row("a late answer", Fault::Latency { delay: 2 * second, jitter: second }, TOKEN),
        row("an answer that is too late", Fault::Latency { delay: 120 * second, jitter: second }, BROKEN).times_out(),
        row("silence", cut(Place::Bytes(0), Ending::Silence), BROKEN).times_out().loses_answer(),
        row("silence after 9 bytes", cut(Place::Bytes(9), Ending::Silence), BROKEN).times_out().loses_answer(),
        row("silence in the body", cut(Place::Body, Ending::Silence), BROKEN).times_out().loses_answer(),
        row("a byte a second", Fault::Trickle { pause: second }, BROKEN).times_out().loses_answer(),
        row("a reset at accept", Fault::ResetAtAccept, BROKEN).spares_kept_connections(),
        row("a reset before the answer", cut(Place::Bytes(0), Ending::Reset), BROKEN).loses_answer(),
        row("a reset in the head", cut(Place::Head, Ending::Reset), BROKEN).loses_answer(),
        row("a reset in the body", cut(Place::Body, Ending::Reset), BROKEN).loses_answer(),
        row("closed before the answer", cut(Place::Bytes(0), Ending::Close), BROKEN).loses_answer(),
        row("closed in the head", cut(Place::Head, Ending::Close), BROKEN).loses_answer(),
        row("closed in the body", cut(Place::Body, Ending::Close), BROKEN).loses_answer(),
        row("a torn chunk", Fault::CutChunks, BROKEN).loses_answer(),
        row("a length too long", Fault::Length { off_by: 7 }, BROKEN).loses_answer(),
        row("a length too short", Fault::Length { off_by: -7 }, TORN).loses_answer(),
        row("429", limit(RetryAfter::Absent), LIMITED),
        row("429 for 7 s", limit(RetryAfter::Seconds(7)), LIMITED),
        row("429 until a date", limit(RetryAfter::Date(7)), LIMITED),
        row("429 for a day", limit(RetryAfter::Seconds(86_400)), LIMITED),
        row("500 in JSON", down(500, Page::Json), DOWN),
        row("502 in HTML", down(502, Page::Html), DOWN),
        row("503 in text", down(503, Page::Text), DOWN),
        row("504 in HTML", down(504, Page::Html), DOWN),
        row("a gzip bomb", bomb(9 << 20, true), TORN).loses_answer(),
        row("a gzip bomb without a label", bomb(9 << 20, false), TORN).loses_answer(),
        row("a large gzip bomb", bomb(10 << 30, true), TOO_LARGE).loses_answer(),
        row("100 MB", Fault::LargeBody { bytes: 100_000_000, is_announced: true }, TOO_LARGE).loses_answer(),
        row("100 MB in chunks", Fault::LargeBody { bytes: 100_000_000, is_announced: false }, TOO_LARGE).loses_answer(),
        row("a header of 100 KB", Fault::LargeHeader { bytes: 100_000 }, TOO_LARGE).loses_answer(),
        row("a header of 1 MB", Fault::LargeHeader { bytes: 1_000_000 }, TOO_LARGE).loses_answer(),
        row("doubled keys", Fault::DoubledKeys, SENSELESS).loses_answer(),
        row("100 levels", Fault::DeepNesting { levels: 100 }, SENSELESS).loses_answer(),
        row("10,000 levels", Fault::DeepNesting { levels: 10_000 }, SENSELESS).loses_answer(),
        row("1,000,000 levels", Fault::DeepNesting { levels: 1_000_000 }, TOO_LARGE).loses_answer(),
        row("numbers out of range", Fault::NumbersOutOfRange, OUT_OF_RANGE),
        row("no UTF-8", Fault::InvalidUtf8, TORN).loses_answer(),
        row("a clock an hour ahead", Fault::Date { off_by_seconds: 3_600 }, OVER_ON_ARRIVAL),
        row("a clock an hour behind", Fault::Date { off_by_seconds: -3_600 }, TOKEN),
        row("a token of 20 KB", Fault::LongToken { bytes: 20_000 }, SENSELESS),
        row("a token of 1 MB", Fault::LongToken { bytes: 1_000_000 }, TOO_LARGE).loses_answer(),
        row("a token with CR LF", Fault::TokenWithLineBreak, SENSELESS),
        Row { is_there_before: true, ..row("closed before reuse", Fault::CloseBeforeReuse, TOKEN) },
    ];
    for (name, fault) in [
        ("a certificate that is over", CertificateFault::Expired),
        ("a certificate for another host", CertificateFault::WrongHost),
        ("a certificate by nobody", CertificateFault::SelfSigned),
    ] {
        rows.push(row(name, Fault::Certificate(fault), UNTRUSTED).over_tls().spares_kept_connections());
    }
    for (name, location, has_tls) in [
        ("a redirect on the host", "/elsewhere", false),
        ("a redirect to another host", "http://127.0.0.2:9/elsewhere", false),
        ("a redirect to plain HTTP", "http://127.0.0.1:9/elsewhere", true),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let fault = Fault::Redirect { status, location: location.to_owned() };
            rows.push(Row { has_tls, ..row(name, fault, ELSEWHERE) });
        }
    }
    rows
}
