//! Frames from both ends: what is put in comes out, and no cut or flipped byte passes for a frame.

use model::{Labels, SeriesRef, TenantId};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{FrameBuilder, FrameError, FrameRef, FrameView, MetadataRecord};

fn frame() -> bytes::Bytes {
    let mut builder = FrameBuilder::default();
    builder.start(&TenantId::anonymous());
    let up = builder.add_series(Labels::from_pairs([("__name__", "up")]).encoded());
    builder.push(FrameRef::New(up), 5, 1.0);
    builder.push(FrameRef::Known(SeriesRef(7)), 5, f64::NAN);
    builder.push(FrameRef::Known(SeriesRef(7)), 6, -0.0);
    builder.push_metadata(&MetadataRecord { kind: 2, family: "up", help: "is it?", unit: "" });
    builder.finish()
}

#[test]
fn what_goes_in_comes_out() {
    let bytes = frame();
    let view = FrameView::parse(&bytes).unwrap();
    assert_eq!(view.tenant(), "anonymous");
    assert_eq!(
        view.refs().map(FrameRef::decode).collect::<Vec<_>>(),
        [FrameRef::New(0), FrameRef::Known(SeriesRef(7)), FrameRef::Known(SeriesRef(7))]
    );
    assert_eq!(view.runs().collect::<Vec<_>>(), [(5, 2), (6, 1)]);
    let bits: Vec<u64> = view.values().map(f64::to_bits).collect();
    assert_eq!(bits, [1.0_f64.to_bits(), f64::NAN.to_bits(), (-0.0_f64).to_bits()]);
    let labels: Vec<Labels> = view.series().map(|l| Labels::from_encoded(l).unwrap()).collect();
    assert_eq!(labels, [Labels::from_pairs([("__name__", "up")])]);
    let metadata: Vec<_> = view.metadata().collect();
    assert_eq!(metadata, [MetadataRecord { kind: 2, family: "up", help: "is it?", unit: "" }]);
}

#[test]
fn a_frame_of_a_newer_version_is_refused_by_number() {
    let mut bytes = frame().to_vec();
    bytes[0] = 9;
    assert_eq!(FrameView::parse(&bytes).unwrap_err(), FrameError::Version(9));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = frame();
    for len in 0..bytes.len() {
        assert!(FrameView::parse(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
}

proptest! {
    #[test]
    fn damaged_frames_never_panic(mut at in prop::collection::vec((0_usize..96, any::<u8>()), 0..4)) {
        let mut bytes = frame().to_vec();
        at.retain(|(i, _)| *i < bytes.len());
        for (i, byte) in at {
            bytes[i] = byte;
        }
        if let Ok(view) = FrameView::parse(&bytes) {
            prop_assert_eq!(view.refs().len(), view.values().len());
            prop_assert!(view.series().count() <= view.new_series());
            view.metadata().count();
        }
    }
}
