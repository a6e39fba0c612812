//! The shape of the enum of error codes.

/// Makes the enum of error codes from one row for each: as `token_core::error_codes!`, but a case is known by two parts of the code.
macro_rules! error_codes {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $($variant:ident: $code:literal, $status:literal, $case:literal, $message:literal, $kind:ident, $remedy:ident, $meaning:literal;)+
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
            /// Every documented case.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// HTTP status and case, as `400/6505`; a code that is not documented as it came.
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Unknown(code) => code,
                }
            }

            /// Reads a whole code, as `400016505`, whichever service it is of, or one as [`code`](Self::code) gives it.
            #[must_use]
            pub fn from_code(code: &str) -> Self {
                let parsed = code.parse::<crate::code::ResponseCode>();
                let parts = parsed.as_ref().map(|parsed| (parsed.http(), parsed.case()));
                match (parts, code) {
                    $((Ok(($status, $case)), _) | (_, $code) => Self::$variant,)+
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

            /// The message that is documented with it. Never compare with it: services reword and reuse messages.
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
            pub fn kind(&self) -> token_core::ErrorKind {
                match self {
                    $(Self::$variant => token_core::ErrorKind::$kind,)+
                    Self::Unknown(_) => token_core::ErrorKind::RequestRefused,
                }
            }

            /// What to do about it.
            #[must_use]
            pub fn remedy(&self) -> token_core::Remedy {
                match self {
                    $(Self::$variant => token_core::Remedy::$remedy,)+
                    Self::Unknown(_) => token_core::Remedy::ContactService,
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
