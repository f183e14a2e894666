//! Messages as they stand on the wire; nothing above this floor invents one.
//!
//! A message is here only if something speaks it today: remote write 1.0, which senders encode and
//! the gateway reads. What nodes say to each other joins it with the cluster.

/// Prometheus remote write 1.0: what a sender puts into `POST /api/v1/write`.
pub mod remote_write {
    include!(concat!(env!("OUT_DIR"), "/varve.remote_write.v1.rs"));
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use crate::remote_write::{Label, Sample, TimeSeries, WriteRequest};

    /// Bytes worked out by hand from the protobuf encoding, so that a wrong field number cannot agree
    /// with itself.
    #[test]
    fn a_request_has_the_bytes_of_the_specification() {
        let request = WriteRequest {
            timeseries: vec![TimeSeries {
                labels: vec![Label { name: "a".to_owned(), value: "b".to_owned() }],
                samples: vec![Sample { value: 1.0, timestamp: 3 }],
                ..TimeSeries::default()
            }],
            ..WriteRequest::default()
        };
        let label = [0x0a, 1, b'a', 0x12, 1, b'b'];
        let sample = [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 3];
        let expected = [&[0x0a, 21, 0x0a, 6][..], &label, &[0x12, 11], &sample].concat();
        assert_eq!(request.encode_to_vec(), expected);
        assert_eq!(WriteRequest::decode(&*expected), Ok(request));
    }
}
