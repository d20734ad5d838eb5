"""Enrolment rolls (danh sách học sinh phải có học bạ): which pupils a school is expected to send."""
