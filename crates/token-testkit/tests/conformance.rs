//! A provider that does everything right passes every check, whatever its service's dialect.

mod reference;

use reference::{Fault, Reference};
use token_core::ExpiryFormat;

mod rfc_6749 {
    token_testkit::conformance_tests!(super::Reference::rfc_6749(super::Fault::None));
}

mod date_and_time {
    token_testkit::conformance_tests!(super::Reference::date_and_time(super::Fault::None));
}

mod refresh {
    token_testkit::conformance_tests!(super::Reference::refresh(super::Fault::None));
}

mod unix_seconds {
    token_testkit::conformance_tests!(super::Reference::with_format(super::ExpiryFormat::UnixSeconds));
}

mod unix_milliseconds {
    token_testkit::conformance_tests!(super::Reference::with_format(super::ExpiryFormat::UnixMilliseconds));
}
