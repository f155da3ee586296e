use std::path::PathBuf;

use clap::Args;

use super::{AuthorityArgs, MembershipArgs};

#[derive(Args)]
pub(crate) struct FactoryArgs {
    /// A file with a name per line (letters, digits, . _ -, at most 64); - for standard input. Empty lines and lines that begin with # do not count
    pub(crate) names: PathBuf,
    /// Folder for the images, NAME.flash, and their list, devices.csv; the same folder again goes on where a run ended
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) membership: MembershipArgs,
    /// Bytes of the region of flash that the firmware gives to its store
    #[arg(long, value_name = "BYTES", default_value_t = 65_536)]
    pub(crate) flash_size: u32,
    /// Bytes that the flash erases at once: 1024, 2048, 4096 or 8192
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    pub(crate) erase_size: u32,
    /// Bytes that the flash reads or writes at once, whichever are more: 1, 4, 8 or 16
    #[arg(long, value_name = "BYTES", default_value_t = 4)]
    pub(crate) word_size: u32,
    /// A value of the firmware's own in each image, such as 0=broker.example:8883; N is 0 to 7
    #[arg(long = "value", value_name = "N=TEXT", value_parser = own_value)]
    pub(crate) values: Vec<(u8, String)>,
    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,
}

fn own_value(text: &str) -> Result<(u8, String), String> {
    let (index, value) = text.split_once('=').unwrap_or((text, ""));
    match index.parse() {
        Ok(index @ 0..=7) if !value.is_empty() && value.len() <= 1024 => {
            Ok((index, value.to_owned()))
        }
        _ => Err("a value is N=TEXT, N from 0 to 7, at most 1024 bytes of text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_firmware() {
        assert_eq!(own_value("0=a=b"), Ok((0, "a=b".to_owned())));
        for bad in [
            "",
            "0",
            "0=",
            "8=a",
            "-1=a",
            "a=b",
            &format!("1={}", "x".repeat(1025)),
        ] {
            assert!(own_value(bad).is_err(), "{bad}");
        }
    }
}
