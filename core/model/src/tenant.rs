//! Whose data it is. A mandatory part of every key, frame and call.

use std::fmt;
use std::sync::Arc;

/// The tenant when tenancy is off.
pub const ANONYMOUS: &str = "anonymous";

/// The longest tenant id, in bytes.
pub const TENANT_ID_BYTES_MAX: usize = 150;

/// A validated tenant id: 1 to 150 of `A-Z a-z 0-9 ! - _ . * ' ( )`, but neither `.` nor `..`.
///
/// The character set is Mimir's, so that existing ids carry over; none of them can escape a path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

/// Why a text is not a tenant id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantIdError {
    /// Nothing was given.
    #[error("tenant id is empty")]
    Empty,
    /// More than [`TENANT_ID_BYTES_MAX`] bytes.
    #[error("tenant id has {bytes} bytes, the limit is {TENANT_ID_BYTES_MAX}")]
    TooLong {
        /// The length that was given.
        bytes: usize,
    },
    /// A character outside the set, or a path component.
    #[error(
        "tenant id {id:?} has a character outside A-Z a-z 0-9 ! - _ . * ' ( ) or is a path component"
    )]
    Unsupported {
        /// The text that was given.
        id: String,
    },
}

// === impl TenantId ===

impl TenantId {
    /// Checks and keeps `id`.
    ///
    /// # Errors
    /// When `id` is empty, too long, or has a character outside the set.
    pub fn new(id: &str) -> Result<Self, TenantIdError> {
        if id.is_empty() {
            return Err(TenantIdError::Empty);
        }
        if id.len() > TENANT_ID_BYTES_MAX {
            return Err(TenantIdError::TooLong { bytes: id.len() });
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!-_.*'()".contains(&b);
        if id == "." || id == ".." || !id.bytes().all(allowed) {
            return Err(TenantIdError::Unsupported { id: id.to_owned() });
        }
        Ok(Self(Arc::from(id)))
    }

    /// The tenant of a cluster without tenancy.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Arc::from(ANONYMOUS))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_components_and_odd_characters_are_refused() {
        for id in ["", ".", "..", "a/b", "a\0", "a b", "é", &"x".repeat(151)] {
            assert!(TenantId::new(id).is_err(), "{id:?}");
        }
        for id in ["anonymous", "team-1", "a.b", "(x)*'!_", &"x".repeat(150)] {
            assert_eq!(TenantId::new(id).unwrap().as_str(), id);
        }
    }
}
