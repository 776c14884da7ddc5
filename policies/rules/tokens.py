"""The type tokens that the policies know; a test holds them equal to those of the components."""

from __future__ import annotations

PREFIX = "pulumi-python:dynamic/emqx:"
CUTOVER = f"{PREFIX}Cutover"
DATA_EXPORT = f"{PREFIX}DataExport"
DATA_IMPORT = f"{PREFIX}DataImport"
VERIFICATION = f"{PREFIX}Verification"
TRAFFIC_SHIFT = f"{PREFIX}TrafficShift"
DRAIN = f"{PREFIX}Drain"
BACKUP = f"{PREFIX}Backup"
NODE_UPGRADE = f"{PREFIX}NodeUpgrade"
REBALANCE = f"{PREFIX}Rebalance"
LEAVE = f"{PREFIX}Leave"
CLUSTER_GUARD = f"{PREFIX}ClusterGuard"
MQTT_BALANCER = f"{PREFIX}MqttBalancer"
LOCAL_CLUSTER = f"{PREFIX}LocalCluster"
CONVERSION = f"{PREFIX}Conversion"
KUBERNETES_BALANCER = f"{PREFIX}KubernetesBalancer"
KUBERNETES_CLUSTER = f"{PREFIX}KubernetesCluster"
KUBERNETES_DECLARED = f"{PREFIX}KubernetesDeclared"
KUBERNETES_SHARE = f"{PREFIX}KubernetesShare"
KUBERNETES_TAKEN = f"{PREFIX}KubernetesTaken"
AWS_CLUSTER = f"{PREFIX}AwsCluster"
AWS_DECLARED = f"{PREFIX}AwsDeclared"
INSTANCES_BALANCER = f"{PREFIX}InstancesBalancer"
INSTANCES_SHARE = f"{PREFIX}InstancesShare"
WEIGHED_BALANCER = f"{PREFIX}WeighedBalancer"
STACK = "pulumi:pulumi:Stack"

DYNAMIC = frozenset(
    {
        CUTOVER,
        DATA_EXPORT,
        DATA_IMPORT,
        VERIFICATION,
        TRAFFIC_SHIFT,
        DRAIN,
        BACKUP,
        NODE_UPGRADE,
        REBALANCE,
        LEAVE,
        CLUSTER_GUARD,
        MQTT_BALANCER,
        LOCAL_CLUSTER,
        CONVERSION,
        KUBERNETES_BALANCER,
        KUBERNETES_CLUSTER,
        KUBERNETES_DECLARED,
        KUBERNETES_SHARE,
        KUBERNETES_TAKEN,
        AWS_CLUSTER,
        AWS_DECLARED,
        INSTANCES_BALANCER,
        INSTANCES_SHARE,
        WEIGHED_BALANCER,
    }
)
"""Every dynamic resource of ours."""
BLUE_GREEN = "emqx:upgrade:BlueGreen"
COMPONENTS = frozenset({BLUE_GREEN, "emqx:balancer:MqttBalancer", "emqx:cluster:EmqxCluster"})
"""Every component of ours."""

STATEFUL_SET, DEPLOYMENT = "kubernetes:apps/v1:StatefulSet", "kubernetes:apps/v1:Deployment"
WORKLOADS = frozenset({STATEFUL_SET, DEPLOYMENT})
SERVICE, CONFIG_MAP, SECRET = "kubernetes:core/v1:Service", "kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:Secret"
DISRUPTION_BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"

INSTANCE, EIP, EBS_VOLUME = "aws:ec2/instance:Instance", "aws:ec2/eip:Eip", "aws:ebs/volume:Volume"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
SECURITY_GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
LOAD_BALANCER, TARGET_GROUP = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"
TABLE = "aws:dynamodb/table:Table"
IAM_ROLE, IAM_POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
IAM_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
IAM_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"

TAGGED = frozenset(
    {
        *WORKLOADS,
        SERVICE,
        CONFIG_MAP,
        SECRET,
        DISRUPTION_BUDGET,
        NETWORK_POLICY,
        INSTANCE,
        EBS_VOLUME,
        SECURITY_GROUP,
        LOAD_BALANCER,
        TARGET_GROUP,
        TABLE,
        IAM_ROLE,
    }
)
"""What carries labels or tags."""
