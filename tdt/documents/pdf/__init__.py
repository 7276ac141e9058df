"""What is done to PDFs. Runs in children only (tdt.documents.child): nothing else loads pikepdf or reportlab."""
