//! Placeholder.
mod clock;
mod transport;
mod url;
pub use clock::{Clock, Moment, SystemClock};
pub use transport::{Delivery, Resend, TokenRequest, TokenResponse, Transport, TransportError, TransportErrorKind};
pub use url::{BaseUrl, UrlFault, is_loopback, parse_absolute};
