//! The authority's commands.

mod audit;
mod backup;
mod copy;
mod delegation;
mod events;
mod factory;
mod folder;
pub(crate) mod groups;
mod init;
mod joining;
mod members;
mod refusals;
mod run;

pub(crate) use audit::{export as audit_export, verify as audit_verify};
pub(crate) use backup::{backup, resume};
pub(crate) use delegation::{install as install_delegation, request as request_delegation};
pub(crate) use factory::factory;
pub(crate) use folder::{AUTHORITY_STORE, change, suspended};
pub(crate) use groups::{group_add, group_list, group_renew, group_show, rotate};
pub(crate) use init::init;
pub(crate) use joining::{approve, pending, reject, token_create, token_list, token_revoke};
pub(crate) use members::{member_add, member_export, member_list, member_remove, member_renew};
pub(crate) use run::{Ended, Keeper, UNANSWERED, run};
