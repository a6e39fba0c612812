//! What a check found wrong.

use std::fmt;

/// What a check found wrong with a provider or a store: at least one case. `Display` has a paragraph for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    failures: Vec<Failure>,
}

/// A case in which a provider or a store did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    check: &'static str,
    case: String,
    expected: String,
    found: String,
}

impl Report {
    /// `None` if nothing is wrong.
    pub(crate) fn of(failures: Vec<Failure>) -> Option<Self> {
        if failures.is_empty() { None } else { Some(Self { failures }) }
    }

    /// The cases, in the order in which they were tried.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }
}

impl Failure {
    pub(crate) fn new(
        check: &'static str,
        case: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { check, case: case.into(), expected: expected.into(), found: found.into() }
    }

    /// The check's name.
    #[must_use]
    pub fn check(&self) -> &'static str {
        self.check
    }

    /// The case, as `token type "mac"`.
    #[must_use]
    pub fn case(&self) -> &str {
        &self.case
    }

    /// What should have come.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What came.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "check    {}", self.check)?;
        writeln!(formatter, "case     {}", self.case)?;
        writeln!(formatter, "expected {}", self.expected)?;
        writeln!(formatter, "got      {}", self.found)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.failures.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            failure.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
