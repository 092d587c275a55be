//! A number for all commands so far: FNV-1a of their bytes. It tells same from other; nobody is to be kept from forging it.

use evenkeel_core::engine::Command;

/// Runs on from command to command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn new() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }

    /// Takes one in.
    pub(crate) fn add(&mut self, command: &Command) -> Result<(), postcard::Error> {
        postcard::to_io(command, self).map(drop)
    }
}

impl std::io::Write for &mut Digest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, mix);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
