"""What enters and leaves over REST, as pydantic models. Unknown keys are refused."""
