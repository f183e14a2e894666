//! Labels as bytes: keys of groups and matches are cut out of the encoding of
//! [`model::labels`] without looking at texts, which takes a third of the time.

use model::Labels;

/// One label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawLabel<'a> {
    /// The name.
    pub(super) name: &'a [u8],
    /// Name and value as they are encoded.
    pub(super) encoded: &'a [u8],
}

/// The labels of a series in ascending order of name.
#[derive(Debug, Clone)]
pub(super) struct RawLabels<'a>(&'a [u8]);

// === impl RawLabels ===

impl<'a> RawLabels<'a> {
    pub(super) fn of(labels: &'a Labels) -> Self {
        Self(labels.encoded())
    }
}

impl<'a> Iterator for RawLabels<'a> {
    type Item = RawLabel<'a>;

    fn next(&mut self) -> Option<RawLabel<'a>> {
        let (name, rest) = take(self.0)?;
        // Labels exist only with a valid encoding, so there is a value.
        let (_, rest) = take(rest)?;
        let (encoded, _) = self.0.split_at(self.0.len() - rest.len());
        self.0 = rest;
        Some(RawLabel { name, encoded })
    }
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes {
        [255, a, b, c, rest @ ..] => {
            rest.split_at_checked(u32::from_le_bytes([*a, *b, *c, 0]) as usize)
        }
        [len, rest @ ..] => rest.split_at_checked(usize::from(*len)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn names_are_those_of_the_labels_and_pieces_make_the_whole(
            pairs in prop::collection::btree_map("[a-z]{1,300}", "[a-zé]{1,20}", 0..6)
        ) {
            let labels = Labels::from_pairs(&pairs);
            let names: Vec<&[u8]> = RawLabels::of(&labels).map(|label| label.name).collect();
            let expected: Vec<&[u8]> = labels.iter().map(|(name, _)| name.as_bytes()).collect();
            prop_assert_eq!(names, expected);
            let pieces: Vec<u8> =
                RawLabels::of(&labels).flat_map(|label| label.encoded.to_vec()).collect();
            prop_assert_eq!(pieces, labels.encoded());
        }
    }
}
