"""What runs on EC2: looked up before anything is made, waited for with a reason, found again before an update; declaring it is Pulumi's."""
