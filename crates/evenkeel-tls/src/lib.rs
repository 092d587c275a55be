//! Certificates and TLS configurations: read from files, checked, chosen by server name, replaced when the files change.
