//! The configuration: the predecessor's JSON files, read, merged, checked, and resolved into typed settings.
//!
//! [`table`] knows every key; [`load()`] reads files through a [`Source`] and gives [`Loaded`] settings with warnings, or
//! all [`Errors`] at once; [`Loaded::reload`] does it again while the process runs; [`reference`] writes the page that
//! documents it. Everything but [`SystemSource`] is a function of its arguments. Nothing is global: whoever needs a
//! section of [`Settings`] is handed it.

mod credentials;
mod environment;
mod files;
mod json;
mod key;
mod load;
mod merge;
mod problem;
pub mod reference;
mod reload;
mod report;
mod rules;
mod secrets;
pub mod settings;
mod source;
mod state;
mod store_place;
mod suggest;
pub mod table;
#[cfg(test)]
mod tests;
mod value;
mod values;

pub use credentials::CredentialsError;
pub use files::FileList;
pub use key::{Change, Key, Kind, State};
pub use load::{Loaded, Overrides, load};
pub use problem::{About, Errors, Problem, ProblemKind, Warning, WarningKind};
pub use reload::{ReloadError, Reloaded};
pub use settings::Settings;
pub use source::{FILE_BYTES_MAX, Source, SystemSource};
pub use store_place::{NoStorePlace, StorePlace};
