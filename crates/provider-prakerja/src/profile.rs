//! Who is logged in.

use std::fmt;

use zeroize::Zeroizing;

/// What the service tells about a user. A field is `None` when the service leaves it out or empty, as it does where the scope does not cover it.
///
/// The texts are personal data and come as the service gives them: `Debug` shows none of them, and they are wiped on drop.
#[derive(Clone)]
pub struct Profile {
    pub(crate) dp_user_id: Option<Zeroizing<String>>,
    pub(crate) email: Option<Zeroizing<String>>,
    pub(crate) name: Option<Zeroizing<String>>,
    pub(crate) no_prakerja: Option<Zeroizing<String>>,
    pub(crate) phone_number: Option<Zeroizing<String>>,
    pub(crate) user_id: Option<Zeroizing<String>>,
}

impl Profile {
    /// The user's id at the digital platform: `dp_user_id`.
    #[must_use]
    pub fn dp_user_id(&self) -> Option<&str> {
        shown(&self.dp_user_id)
    }

    /// The mail address: `email`, by the scope of that name.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        shown(&self.email)
    }

    /// The name: `name`, by the scope of that name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        shown(&self.name)
    }

    /// The Prakerja number: `no_prakerja`, by the scope `prakerjaid`.
    #[must_use]
    pub fn no_prakerja(&self) -> Option<&str> {
        shown(&self.no_prakerja)
    }

    /// The telephone number: `phone_number`, by the scope `notelp`.
    #[must_use]
    pub fn phone_number(&self) -> Option<&str> {
        shown(&self.phone_number)
    }

    /// The user's id: `user_id`.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        shown(&self.user_id)
    }
}

/// Shows which fields are there.
impl fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Profile")
            .field("has_dp_user_id", &self.dp_user_id.is_some())
            .field("has_email", &self.email.is_some())
            .field("has_name", &self.name.is_some())
            .field("has_no_prakerja", &self.no_prakerja.is_some())
            .field("has_phone_number", &self.phone_number.is_some())
            .field("has_user_id", &self.user_id.is_some())
            .finish()
    }
}

fn shown(field: &Option<Zeroizing<String>>) -> Option<&str> {
    field.as_ref().map(|text| text.as_str())
}
