# The lab of the five steps by boto3, in another order, with other names and CIDRs.
import os

import boto3

ec2 = boto3.client("ec2", endpoint_url=os.environ["AWS_ENDPOINT_URL"])  # an older boto3 does not read it
user_data = """#!/bin/sh
printf '#!/bin/sh\\n%s\\n' > /etc/rc.local
chmod +x /etc/rc.local
/etc/rc.local
"""

ec2.create_key_pair(KeyName="mine")
gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
vpc = ec2.create_vpc(CidrBlock="172.20.0.0/20")["Vpc"]["VpcId"]
back = ec2.create_subnet(VpcId=vpc, CidrBlock="172.20.1.0/26")["Subnet"]["SubnetId"]
front = ec2.create_subnet(VpcId=vpc, CidrBlock="172.20.0.0/26")["Subnet"]["SubnetId"]

front_group = ec2.create_security_group(GroupName="front", Description="front", VpcId=vpc)["GroupId"]
back_group = ec2.create_security_group(GroupName="back", Description="back", VpcId=vpc)["GroupId"]
ec2.authorize_security_group_ingress(GroupId=front_group, IpPermissions=[
    {"IpProtocol": "tcp", "FromPort": p, "ToPort": p, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]} for p in (80, 22)])
ec2.authorize_security_group_ingress(GroupId=back_group, IpPermissions=[
    {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": front_group}]}])

image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
common = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "KeyName": "mine"}
one = ec2.run_instances(**common, SubnetId=front, SecurityGroupIds=[front_group],
                        UserData=user_data % "mkdir -p /srv/www; echo hello > /srv/www/index.html; httpd -p 80 -h /srv/www")
two = ec2.run_instances(**common, SubnetId=back, SecurityGroupIds=[back_group], InstanceType="m5.large",
                        BlockDeviceMappings=[{"DeviceName": "/dev/sdh", "Ebs": {"VolumeSize": 1}}],
                        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "labsim:mount", "Value": "/var/lib/data"}]}],
                        UserData=user_data % "nc -l -k -p 5432 -e /bin/hostname &")
ids = [r["Instances"][0]["InstanceId"] for r in (one, two)]

ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
ec2.associate_route_table(RouteTableId=table, SubnetId=front)
ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
ec2.get_waiter("instance_status_ok").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
address = ec2.allocate_address(Domain="vpc")["AllocationId"]
ec2.associate_address(AllocationId=address, InstanceId=ids[0])
