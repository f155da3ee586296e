use bytes::Bytes;

/// What is published. Whatever rumqttc takes as a payload becomes one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload(pub(crate) Bytes);

/// Without a copy.
macro_rules! owned {
    ($($from:ty),*) => {$(
        impl From<$from> for Payload {
            fn from(payload: $from) -> Self {
                Self(payload.into())
            }
        }
    )*};
}

owned!(Bytes, bytes::BytesMut, Vec<u8>, Box<[u8]>, String);

impl From<&[u8]> for Payload {
    fn from(payload: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(payload))
    }
}

impl From<&str> for Payload {
    fn from(payload: &str) -> Self {
        payload.as_bytes().into()
    }
}

impl<const N: usize> From<[u8; N]> for Payload {
    fn from(payload: [u8; N]) -> Self {
        payload.as_slice().into()
    }
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(payload: &[u8; N]) -> Self {
        payload.as_slice().into()
    }
}

impl From<&Vec<u8>> for Payload {
    fn from(payload: &Vec<u8>) -> Self {
        payload.as_slice().into()
    }
}

impl From<&String> for Payload {
    fn from(payload: &String) -> Self {
        payload.as_str().into()
    }
}
