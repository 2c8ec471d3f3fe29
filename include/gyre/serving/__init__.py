"""What runs inside a Bento: the service that answers with one model version. Copied into each Bento, so it imports little."""
