//! What can go wrong, in words for a person: what it is, and what to do.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use provider_prakerja::WebLoginError;
use token_core::{Error, Remedy};

use super::{page, tell};

/// Something that went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The person said no at Prakerja, or left.
    Denied,
    /// The login took too long.
    Expired,
    /// A page of another site sent the request.
    ForeignPage,
    /// A callback without a login: it came twice, or from nowhere.
    NoLogin,
    NoSuchPage,
    /// A callback of another login, as of another tab.
    OtherLogin,
    /// Prakerja cannot be reached, or has a fault.
    OutOfService,
    /// The user's tokens are over.
    SessionOver,
    /// A person must look at the settings.
    Settings,
    /// A callback that is none.
    Unreadable,
}

use Problem::{Denied, Expired, ForeignPage, NoLogin, NoSuchPage, OtherLogin, OutOfService, SessionOver, Settings, Unreadable};

impl Problem {
    /// For a user who has a session.
    pub(super) fn of(error: &Error) -> Self {
        match error.remedy() {
            Remedy::LogInAgain => SessionOver,
            Remedy::Retry | Remedy::Wait => OutOfService,
            _ => {
                tell(error);
                Settings
            }
        }
    }

    /// The page that tells of it. The callback sends the browser there, so that the code leaves the address bar.
    pub(super) fn address(self) -> String {
        format!("/masuk?masalah={}", self.words().0)
    }

    /// The problem that [`address`](Self::address) names. Anybody can make such a link, so it says nothing but what stands here.
    pub(super) fn of_address(query: Option<&str>) -> Option<Self> {
        let name = page::parameter(query, "masalah")?;
        let all =
            [Denied, Expired, ForeignPage, NoLogin, NoSuchPage, OtherLogin, OutOfService, SessionOver, Settings, Unreadable];
        all.into_iter().find(|problem| problem.words().0 == name)
    }

    /// A name for the address, what it is, what to do.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Denied => (
                "ditolak",
                "Anda belum masuk",
                "Izin di Prakerja tidak diberikan atau dibatalkan. Bila itu tidak disengaja, masuk lagi lalu pilih “Izinkan”.",
            ),
            Expired => (
                "kedaluwarsa",
                "Waktu untuk masuk sudah habis",
                "Proses masuk harus selesai dalam sepuluh menit. Silakan mulai lagi.",
            ),
            ForeignPage => (
                "halaman-lain",
                "Permintaan tidak diterima",
                "Permintaan ini tidak berasal dari halaman kami. Buka halaman utama lalu coba lagi dari sana.",
            ),
            NoLogin => (
                "tidak-ada-proses",
                "Tidak ada proses masuk yang sedang berjalan",
                "Alamat ini hanya dapat dipakai satu kali, dan di peramban yang memulainya. Bila Anda sudah masuk, buka halaman utama; bila belum, mulai lagi.",
            ),
            NoSuchPage => ("tidak-ada", "Halaman tidak ditemukan", "Periksa alamatnya, atau buka halaman utama."),
            OtherLogin => (
                "proses-lain",
                "Jawaban ini milik proses masuk yang lain",
                "Mungkin Anda memulai masuk di dua tab. Lanjutkan di tab yang terakhir, atau mulai lagi di sini.",
            ),
            OutOfService => (
                "gangguan",
                "Prakerja sedang tidak dapat dihubungi",
                "Ini bukan kesalahan Anda. Tunggu sebentar, lalu coba lagi.",
            ),
            SessionOver => ("sesi-berakhir", "Sesi Anda di Prakerja sudah berakhir", "Silakan masuk lagi untuk melanjutkan."),
            Settings => (
                "pengaturan",
                "Ada yang salah di pihak kami",
                "Mencoba lagi tidak akan membantu. Hubungi pengelola situs ini; rinciannya ada di catatan server.",
            ),
            Unreadable => (
                "tidak-terbaca",
                "Jawaban dari Prakerja tidak dapat dibaca",
                "Alamatnya rusak atau tidak lengkap. Silakan mulai lagi.",
            ),
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Denied | Expired | NoLogin | OtherLogin | Unreadable => StatusCode::BAD_REQUEST,
            ForeignPage => StatusCode::FORBIDDEN,
            NoSuchPage => StatusCode::NOT_FOUND,
            OutOfService => StatusCode::SERVICE_UNAVAILABLE,
            SessionOver => StatusCode::UNAUTHORIZED,
            Settings => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, title, advice) = self.words();
        // To log in again is no help where the request itself, or the server, is at fault.
        let helps = !matches!(self, ForeignPage | NoSuchPage | Settings);
        (self.status(), page::problem(title, advice, helps)).into_response()
    }
}

/// For a user who is logging in.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        tell(&error);
        match error.remedy() {
            // The code is spent, and nothing of it is the user's doing.
            Remedy::LogInAgain | Remedy::Refresh | Remedy::Retry | Remedy::Wait => OutOfService,
            _ => Settings,
        }
    }
}

impl From<WebLoginError> for Problem {
    fn from(error: WebLoginError) -> Self {
        match error {
            WebLoginError::Client(error) => error.into(),
            WebLoginError::CodeExpired(_) | WebLoginError::Expired => Expired,
            WebLoginError::CodeUsed(_) | WebLoginError::NotPending | WebLoginError::Replayed => NoLogin,
            WebLoginError::Denied(_) => Denied,
            WebLoginError::FromTheFuture | WebLoginError::KeysUnavailable(_) => Error::from(error).into(),
            WebLoginError::OtherLogin => OtherLogin,
            // What no user of an untouched browser sees.
            _ => Unreadable,
        }
    }
}
