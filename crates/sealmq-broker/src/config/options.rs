//! One list of options: the types that are read, their defaults, and the text that is printed.

/// An option's name, how it is explained, and the value that is shown.
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) lines: &'static [&'static str],
    pub(super) shown: &'static str,
}

/// `name: type = default, shown "as it stands in a file";`: the shown value is the default, or an
/// example if the default is that there is none.
macro_rules! options {
    ($(
        $(#[doc = $about:literal])*
        struct $table:ident {
            $($(#[doc = $line:literal])+ $name:ident: $type:ty = $default:expr, shown $shown:literal;)*
        }
    )*) => {$(
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct $table {
            $($name: $type,)*
        }

        impl Default for $table {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $table {
            const DESCRIBED: &[Described] = &[
                $(Described { name: stringify!($name), lines: &[$($line),+], shown: $shown },)*
            ];
        }
    )*};
}

pub(super) use options;
