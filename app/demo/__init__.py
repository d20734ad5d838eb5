"""The demo province (tỉnh Đắk Lắk): its people, certificates and transcripts, none of them real."""
