"""CSDL học bạ số: the service that receives the nation's digital school transcripts."""
