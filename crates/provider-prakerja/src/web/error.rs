//! Why a browser's login did not end well.

use token_core::{Error, ErrorKind, Language, Remedy, SealError};

use crate::PROVIDER;
use crate::callback::{CallbackError, Denial, Refusal};
use crate::error::PrakerjaErrorCode;

/// Why a browser's login did not end well.
///
/// `Display` is for a log, [`meaning`](Self::meaning) for the page that the user sees.
/// As a [`token_core::Error`] it has a kind and a remedy, and [`Error::find_source`] finds it there again, except for [`Client`](Self::Client), which is the client's error itself.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebLoginError {
    /// The request has two cookies of the login's name, as a neighbouring site can bring about where the name has no `__Host-`. Which of them is ours cannot be told.
    #[error("the request has two cookies of the login")]
    Ambiguous,
    /// What the browser brought is no callback as the service sends it.
    #[error("what came back from the service is no callback as it sends one")]
    Callback(#[source] CallbackError),
    /// Anything else that the exchange of the code ended in: its kind and its remedy tell.
    #[error(transparent)]
    Client(Error),
    /// The code was exchanged too late for the service (`ERROAUTH4052`).
    #[error("the code of the login came too late")]
    CodeExpired(#[source] Error),
    /// The service knows the code no more, or another one (`ERROAUTH4031`, `ERROAUTH4032`): it was used, or a newer login of this user replaced it.
    #[error("the code of the login was used already, or a newer login replaced it")]
    CodeUsed(#[source] Error),
    /// The user said no, or the service did. So counts a callback with neither code, error nor state, as the service may send the browser to the `login_uri` without any.
    #[error("the login was denied")]
    Denied(Denial),
    /// The login began ten minutes ago or earlier.
    #[error("the login began more than ten minutes ago")]
    Expired,
    /// The login began more than a minute from now: the clocks of the servers differ.
    #[error("the login began in the future: the clock of this machine, or of the one that began it, is wrong")]
    FromTheFuture,
    /// The [`Seal`](token_core::Seal) cannot open anything now. The same callback may pass later.
    #[error("the login cannot be opened now")]
    KeysUnavailable(#[source] SealError),
    /// The request has no cookie of a login: it ended, the browser takes no cookies, or it is not the browser that began the login.
    #[error("no login is under way in this browser")]
    NotPending,
    /// The state is that of another login than the cookie's. Another login was begun in the same browser, as in a second tab, and replaced this one; or the callback is forged.
    #[error("the callback is of another login than the one that was last begun in this browser, or is forged")]
    OtherLogin,
    /// This login had its callback already.
    #[error("the callback of this login came before")]
    Replayed,
    /// What was kept of the login was altered, cut, or sealed for another client, another purpose or under another key.
    #[error("what was kept of the login cannot be opened, so it may be forged")]
    Unreadable(#[source] SealError),
}

impl WebLoginError {
    pub(crate) fn of_callback(refusal: Refusal) -> Self {
        match refusal.error {
            CallbackError::Denied(denial) => Self::Denied(denial),
            CallbackError::Expired => Self::Expired,
            CallbackError::MissingCode if !refusal.has_state => Self::Denied(Denial::without_words()),
            CallbackError::Replayed => Self::Replayed,
            CallbackError::WrongState => Self::OtherLogin,
            error => Self::Callback(error),
        }
    }

    pub(crate) fn of_exchange(error: Error) -> Self {
        use PrakerjaErrorCode::{OauthAuthCodeExpired, OauthAuthCodeNotFound, OauthAuthCodeNotSame};
        match error.find_source() {
            Some(OauthAuthCodeExpired) => Self::CodeExpired(error),
            Some(OauthAuthCodeNotFound | OauthAuthCodeNotSame) => Self::CodeUsed(error),
            _ => Self::Client(error),
        }
    }

    /// Whether the login in the browser's cookie is over with it, so that the cookie can be taken away.
    ///
    /// After the others it may still end well: what is forged must not end the login that a user is about to make.
    #[must_use]
    pub fn ends_login(&self) -> bool {
        match self {
            Self::Denied(denial) => denial.has_state(),
            Self::Callback(_) | Self::KeysUnavailable(_) | Self::NotPending | Self::OtherLogin => false,
            Self::Ambiguous
            | Self::Client(_)
            | Self::CodeExpired(_)
            | Self::CodeUsed(_)
            | Self::Expired
            | Self::FromTheFuture
            | Self::Replayed
            | Self::Unreadable(_) => true,
        }
    }

    /// What happened and what to do, in a sentence or two for the user.
    #[must_use]
    pub fn meaning(&self, language: Language) -> &'static str {
        let (english, indonesian) = self.meanings();
        match language {
            Language::Indonesian => indonesian,
            _ => english,
        }
    }

    fn meanings(&self) -> (&'static str, &'static str) {
        match self {
            Self::Ambiguous => (
                "Your browser sent two logins at once. Delete this site's cookies and begin again.",
                "Peramban Anda mengirim dua proses masuk sekaligus. Hapus cookie situs ini, lalu mulai lagi.",
            ),
            Self::Callback(_) => (
                "What came back from Prakerja cannot be read. Please begin again.",
                "Jawaban dari Prakerja tidak dapat dibaca. Silakan mulai lagi.",
            ),
            Self::Client(_) => (
                "Logging in with Prakerja is not possible right now. Please try again later.",
                "Masuk dengan Prakerja sedang tidak dapat dilakukan. Silakan coba lagi nanti.",
            ),
            Self::CodeExpired(_) => (
                "Coming back from Prakerja took too long. Please begin again.",
                "Waktu untuk kembali dari Prakerja sudah habis. Silakan mulai lagi.",
            ),
            Self::CodeUsed(_) => (
                "This login was used already, or a newer one replaced it. Please begin again.",
                "Proses masuk ini sudah dipakai atau digantikan oleh yang lebih baru. Silakan mulai lagi.",
            ),
            Self::Denied(_) => (
                "The login was cancelled or not allowed at Prakerja. Begin again if you want to log in.",
                "Proses masuk dibatalkan atau tidak diizinkan di Prakerja. Mulai lagi jika Anda ingin masuk.",
            ),
            Self::Expired => (
                "More than ten minutes went by since you began to log in. Please begin again.",
                "Sudah lebih dari sepuluh menit sejak Anda mulai masuk. Silakan mulai lagi.",
            ),
            Self::FromTheFuture => (
                "This site's clock is wrong. Please begin again, and tell us if it does not help.",
                "Jam situs ini tidak tepat. Silakan mulai lagi, dan beri tahu kami jika tidak berhasil.",
            ),
            Self::KeysUnavailable(_) => (
                "This site cannot check your login right now. Please reload this page in a moment.",
                "Situs ini sedang tidak dapat memeriksa proses masuk Anda. Silakan muat ulang halaman ini sebentar lagi.",
            ),
            Self::NotPending => (
                "No login is under way in this browser. Please allow cookies and begin again.",
                "Tidak ada proses masuk yang sedang berjalan di peramban ini. Izinkan cookie, lalu mulai lagi.",
            ),
            Self::OtherLogin => (
                "Another login was begun in this browser, perhaps in another tab. Please begin again.",
                "Proses masuk lain telah dimulai di peramban ini, mungkin di tab lain. Silakan mulai lagi.",
            ),
            Self::Replayed => (
                "This login was used already. If you are not logged in, please begin again.",
                "Proses masuk ini sudah dipakai. Jika Anda belum masuk, silakan mulai lagi.",
            ),
            Self::Unreadable(_) => (
                "What your browser kept of the login cannot be read. Please begin again.",
                "Data proses masuk yang disimpan peramban Anda tidak dapat dibaca. Silakan mulai lagi.",
            ),
        }
    }
}

impl From<WebLoginError> for Error {
    fn from(fault: WebLoginError) -> Self {
        let own = |kind, remedy| Self::new(PROVIDER, kind, remedy).with_message(fault.to_string());
        let error = match &fault {
            WebLoginError::Client(error) => return error.clone(),
            WebLoginError::Callback(_) => own(ErrorKind::InvalidResponse, Remedy::LogInAgain),
            WebLoginError::Denied(denial) => denial.error(),
            WebLoginError::CodeExpired(cause) | WebLoginError::CodeUsed(cause) => {
                let mut error = own(cause.kind(), cause.remedy());
                if let Some(code) = cause.code() {
                    error = error.with_code(code);
                }
                if let Some(status) = cause.http_status() {
                    error = error.with_http_status(status);
                }
                if let Some(message) = cause.service_message() {
                    error = error.with_service_message(message);
                }
                error
            }
            WebLoginError::FromTheFuture => own(ErrorKind::ClockSkew, Remedy::CorrectClock),
            WebLoginError::KeysUnavailable(_) => own(ErrorKind::Internal, Remedy::Retry),
            WebLoginError::Ambiguous
            | WebLoginError::Expired
            | WebLoginError::NotPending
            | WebLoginError::OtherLogin
            | WebLoginError::Replayed
            | WebLoginError::Unreadable(_) => own(ErrorKind::LoginRequired, Remedy::LogInAgain),
        };
        error.with_source(fault)
    }
}
