"""Format profiles: each folder is one version of the document, its XSD and where its fields stand."""
