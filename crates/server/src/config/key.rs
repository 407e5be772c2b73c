//! One configuration key: what it is called, what it accepts, what it means.
//!
//! A part of the server declares its keys with [`settings!`], which makes the typed struct, the rows of the table and the
//! reading of one from the other out of a single declaration, so none of them can drift from the others.

use super::Values;
use super::value::size_text;

/// One row of the configuration table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// Dotted name as written in `--set`, and as path of tables in the file.
    pub name: &'static str,
    /// What holds when no layer says otherwise, as text.
    pub default: &'static str,
    /// What a value must look like.
    pub kind: Kind,
    /// What it means, for users.
    pub doc: &'static str,
    /// A value somebody might set, as text.
    pub example: &'static str,
}

/// What a value of a key must look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, both included.
    Integer {
        /// Smallest accepted.
        min: u64,
        /// Largest accepted.
        max: u64,
    },
    /// A length of time with its unit; at most ten years.
    Duration {
        /// Whether `0s` is accepted.
        zero: bool,
    },
    /// A number of bytes with its unit; never zero.
    Size,
    /// The same within bounds, both included.
    SizeWithin {
        /// Smallest accepted.
        min: u64,
        /// Largest accepted.
        max: u64,
    },
    /// Any text.
    Text,
    /// One of a few words. An empty value is "not written out" and accepted only where it is the default.
    Word(&'static [&'static str]),
    /// Texts: separated by commas, or an array in the file.
    List,
    /// Base URLs of HTTP servers, listed likewise.
    Urls,
    /// `host:port`; port 0 takes any free one.
    Address {
        /// Whether `off` is accepted.
        off: bool,
    },
    /// A number from 0 to 1.
    Ratio,
    /// Pauses between attempts, separated by slashes.
    Pauses,
    /// Pauses by name, listed like texts.
    Schedules,
}

/// Any length of time.
pub(super) const DURATION: Kind = Kind::Duration { zero: true };
/// A length of time for which nothing at all makes no sense.
pub(super) const INTERVAL: Kind = Kind::Duration { zero: false };
/// A listener that can be switched off.
pub(super) const LISTEN: Kind = Kind::Address { off: true };

/// A whole number from `min` to `max`.
pub(super) const fn integer(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

/// A number of bytes from `min` to `max`.
pub(super) const fn size(min: u64, max: u64) -> Kind {
    Kind::SizeWithin { min, max }
}

impl Kind {
    /// The kind's name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Integer { .. } => "integer",
            Self::Duration { .. } => "duration",
            Self::Size | Self::SizeWithin { .. } => "size",
            Self::Text => "text",
            Self::Word(_) => "word",
            Self::List => "list",
            Self::Urls => "URLs",
            Self::Address { .. } => "address",
            Self::Ratio => "ratio",
            Self::Pauses => "pauses",
            Self::Schedules => "schedules",
        }
    }

    /// What is expected, to follow the word "expected" in an error.
    pub fn expected(self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Duration { zero: true } => "a duration with its unit, such as \"30s\" or \"250ms\"".into(),
            Self::Duration { zero: false } => {
                "a duration above zero with its unit, such as \"30s\" or \"250ms\"".into()
            }
            Self::Size => "a size with its unit, such as \"64KiB\" or \"10MiB\"".into(),
            Self::SizeWithin { min, max } => {
                format!("a size with its unit, from {} to {}", size_text(min), size_text(max))
            }
            Self::Text => "a text".into(),
            Self::Word(words) => format!("one of: {}", words.join(", ")),
            Self::List => "a list: values separated by commas, or an array in the file".into(),
            Self::Urls => "a list of URLs such as \"http://synod-2:8761/eureka/\" or \"https://…\"".into(),
            Self::Address { off: true } => {
                "an address such as \"127.0.0.1:8761\" (port 0: any free one), or \"off\"".into()
            }
            Self::Address { off: false } => {
                "an address such as \"127.0.0.1:8761\" (port 0: any free one)".into()
            }
            Self::Ratio => "a number from 0 to 1".into(),
            Self::Pauses => {
                "durations above zero separated by slashes, such as \"15s/30s/3m\"; at most 100".into()
            }
            Self::Schedules => "a list of names with pauses, such as \"orders=15s/30s/3m\"".into(),
        }
    }
}

/// A typed group of settings, made by [`settings!`].
pub(super) trait Part: Sized {
    /// Adds the part's rows to the table.
    fn declare(table: &mut Vec<Key>);
    /// Picks the part's values out of the merged ones.
    fn read(values: &Values) -> Self;
}

/// Declares a part: the struct, its rows of the table, and how one is read from the other.
///
/// `field: Type = "key", kind, "default", "example";`, then `field: OtherPart;` for parts nested in this one.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $part:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $ty:ty = $name:literal, $kind:expr, $default:literal, $example:literal;
            )*
        }
        $(with {
            $( $(#[doc = $sub_doc:literal])+ $sub:ident: $sub_ty:ty; )*
        })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $part {
            $( $(#[doc = $doc])+ pub $field: $ty, )*
            $( $( $(#[doc = $sub_doc])+ pub $sub: $sub_ty, )* )?
        }

        impl $crate::config::key::Part for $part {
            fn declare(table: &mut Vec<$crate::config::Key>) {
                table.extend_from_slice(&[ $( $crate::config::Key {
                    name: $name,
                    default: $default,
                    kind: $kind,
                    doc: concat!($($doc),+),
                    example: $example,
                } ),* ]);
                $( $( <$sub_ty as $crate::config::key::Part>::declare(table); )* )?
            }

            fn read(values: &$crate::config::Values) -> Self {
                Self {
                    $( $field: values.get($name), )*
                    $( $( $sub: <$sub_ty as $crate::config::key::Part>::read(values), )* )?
                }
            }
        }
    };
}
pub(super) use settings;
