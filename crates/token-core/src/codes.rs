//! The shape that every provider's enum of error codes has.

/// Makes the enum of a service's error codes, from one row for each: variant, code, HTTP status, documented message (empty if none), [`ErrorKind`](crate::ErrorKind), [`Remedy`](crate::Remedy), meaning.
///
/// ```
/// token_core::error_codes! {
///     /// What the service can say.
///     pub enum ServiceErrorCode {
///         InvalidClient: "invalid_client", 401, "", ClientRefused, FixConfiguration, "the client is unknown or its secret is wrong";
///     }
/// }
///
/// let code = ServiceErrorCode::from_code("invalid_client");
/// assert_eq!((code.kind(), code.http_status()), (token_core::ErrorKind::ClientRefused, Some(401)));
/// assert_eq!(ServiceErrorCode::from_code("E7").code(), "E7");
/// ```
///
/// Where one case has several codes, `pub enum ServiceErrorCode by normalise` names a `fn(&str) -> Cow<'_, str>` that gives the code of the row.
#[macro_export]
macro_rules! error_codes {
    (@read) => {
        |code| std::borrow::Cow::Borrowed(code)
    };
    (@read $read:path) => {
        $read
    };
    (
        $(#[$attribute:meta])*
        pub enum $name:ident $(by $read:path)? {
            $($variant:ident: $code:literal, $status:literal, $message:literal, $kind:ident, $remedy:ident, $meaning:literal;)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`: ", $meaning, ".")] $variant,)+
            /// A code that is not documented, as it came.
            Unknown(String),
        }

        impl $name {
            /// Every documented code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as the service writes it.
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Unknown(code) => code,
                }
            }

            /// Reads a code; one that is not documented is kept as it came.
            #[must_use]
            pub fn from_code(code: &str) -> Self {
                let read: fn(&str) -> std::borrow::Cow<'_, str> = $crate::error_codes!(@read $($read)?);
                match &*read(code) {
                    $($code => Self::$variant,)+
                    _ => Self::Unknown(code.to_owned()),
                }
            }

            /// The HTTP status that is documented with it; `None` for an unknown code.
            #[must_use]
            pub fn http_status(&self) -> Option<u16> {
                match self {
                    $(Self::$variant => Some($status),)+
                    Self::Unknown(_) => None,
                }
            }

            /// The message that is documented with it; empty if there is none. Never compare with it: services reword and reuse messages.
            #[must_use]
            pub fn message(&self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)+
                    Self::Unknown(_) => "",
                }
            }

            /// What it means.
            #[must_use]
            pub fn meaning(&self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                    Self::Unknown(_) => "the service gave a code that it does not document",
                }
            }

            /// What went wrong.
            #[must_use]
            pub fn kind(&self) -> $crate::ErrorKind {
                match self {
                    $(Self::$variant => $crate::ErrorKind::$kind,)+
                    Self::Unknown(_) => $crate::ErrorKind::RequestRefused,
                }
            }

            /// What to do about it.
            #[must_use]
            pub fn remedy(&self) -> $crate::Remedy {
                match self {
                    $(Self::$variant => $crate::Remedy::$remedy,)+
                    Self::Unknown(_) => $crate::Remedy::ContactService,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.meaning())
            }
        }

        impl std::error::Error for $name {}
    };
}
